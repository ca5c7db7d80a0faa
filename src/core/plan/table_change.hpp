// How a table that specql made follows its changed entity.
#pragma once

#include "emit/emit.hpp"
#include "model/table_state.hpp"

namespace specql::plan {

// The CREATE TABLE that was run; empty if others made the table, or the record of it is gone.
std::string madeText(const CatalogView& catalog, const Object& table);

// The columns and checks to ask of, for each table that is there and was made from another CREATE TABLE.
std::vector<TableQuestion> askOfTables(const resolve::World& world, const resolve::Resolver& resolver,
                                       const std::vector<Object>& objects);

struct TableChange {
    std::vector<std::string> sql;
    std::vector<Pos> places;           // of the fields, one for each command
    std::vector<std::string> losses;   // what would be lost, in words; it wants allow_destructive
    std::vector<std::string> refused;  // what cannot be done at all
    std::vector<std::string> columns;  // that get another type or go: functions that read them go first
};

// `before` is the CREATE TABLE that was run: what it did not make is not ours to drop, and what the entity wants as it
// did stays as it is.
TableChange changeTable(const resolve::World& world, const resolve::Resolver& resolver,
                        const resolve::EntityInfo& entity, const std::string& before, const TableQuestion& question,
                        const TableAnswer& answer);

// True if the CREATE TABLE that was run made this column.
bool madeColumn(const std::string& before, const std::string& column);

// The entity whose table the object is; null if there is none, or the object is no table.
const resolve::EntityInfo* entityOf(const resolve::World& world, const Object& object);

}  // namespace specql::plan
