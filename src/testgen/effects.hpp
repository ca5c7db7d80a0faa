// What steps write, in words and as rows of their tables.
#pragma once

#include <string>
#include <vector>

#include "testgen/stage.hpp"

namespace specql::testgen {

// Whether a step, or one within it, changes or deletes rows that are there.
bool changesRowsOf(const resolve::ResolvedStep& step, const resolve::EntityInfo* target);

// What a step does, in words: "low_stock event sends low stock alert".
std::string stepPhrase(const resolve::World& world, const Arm& arm, const resolve::ResolvedStep& step);

// "is((SELECT …), 1::bigint, '…')"
std::string countIs(const std::string& query, const std::string& wanted, const std::string& description);

// Where an inserted row's values come from, so that several events can be checked together.
struct InsertedRow {
    const resolve::EntityInfo* entity = nullptr;
    std::vector<std::string> columns, types, values;  // values: SQL of the fixture; volatile ones are left out
    std::vector<std::string> links;                   // conditions over t that find the rows of this event only
};
bool insertedRow(const resolve::World& world, const resolve::Resolver& resolver, const Stage& stage,
                 const resolve::ResolvedStep& step, const Stage::Render& literal, InsertedRow& row, std::string& why);

// A type that has no equality is compared in another form.
std::string comparable(const std::string& sql, const std::string& type);

}  // namespace specql::testgen
