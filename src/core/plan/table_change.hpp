// How a table that specql made follows its changed entity.
#pragma once

#include "model/object.hpp"
#include "model/table_state.hpp"
#include "resolve/resolver.hpp"

namespace specql::plan {

// What apply made of the table; null if others made it, or the record of it is gone.
const TableShape* madeShape(const CatalogView& catalog, const Object& table);

// The columns and checks to ask of, for each table that is there and was made another way.
std::vector<TableQuestion> askOfTables(const resolve::World& world, const std::vector<Object>& objects);

struct TableChange {
    std::vector<std::string> sql;
    std::vector<Pos> places;           // of the fields, one for each command
    std::vector<std::string> losses;   // what would be lost, in words; it wants allow_destructive
    std::vector<std::string> refused;  // what cannot be done at all
    bool another = false;              // refused because its key or partitioning is another
    std::vector<std::string> columns;  // that get another type or go: functions that read them go first
    std::vector<std::string> remade;   // that go and come again: what is on them went with them
    std::vector<ShapeColumn> gone, come;
    std::string respelled;  // as likelyRename(), of values of enums
};

// What to write for each column that goes if it is one that comes, which looks like it; ends in "; ", or is empty.
std::string likelyRename(const resolve::EntityInfo& entity, const TableChange& change);

// `made` is as madeShape() gives it: what apply did not make is not ours to drop, and what the entity wants as it was
// made stays as it is.
TableChange changeTable(const Object& table, const resolve::EntityInfo& entity, const TableShape* made,
                        const TableQuestion& question, const TableAnswer& answer);

// "partitioned by RANGE (at)" or "not partitioned".
std::string partitioned(const std::string& by);

// How a column that others made differs from what the spec says of it, in words; empty: it fits.
std::string misfit(const ShapeColumn& wanted, const ColumnView& there);

// The place of a column's field in the text, or of the entity.
Pos placeOf(const resolve::EntityInfo& entity, const std::string& column);

// The entity whose table the object is; null if there is none, or the object is no table.
const resolve::EntityInfo* entityOf(const resolve::World& world, const Object& object);

}  // namespace specql::plan
