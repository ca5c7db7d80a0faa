// What the steps of an arm must have done after an event, as queries that see it.
#pragma once

#include <string>
#include <vector>

#include "testgen/stage.hpp"

namespace specql::testgen {

struct Effect {
    std::string description;
    std::string check;   // a pgTAP call; empty if `reason` says why there is none
    std::string count;   // how often the effect is there, as a query of one number; may be empty
    std::string reason;  // why a test cannot see it
    // Of an update: which row, and what it has become. The same row with more that is set shows this too.
    std::vector<std::string> facts;
    // A statement to run before the event: where nothing tells what it does from what others have done, `count` and
    // `check` are about how much more there is.
    std::string before = {};
    const resolve::ResolvedStep* step = nullptr;
    std::string reference = {};  // a statement that does to rows what the step should
    std::string key = {};        // of an update or a delete: which row, over t

    // Whether this effect alone makes `count` of another one see it.
    bool shows(const Effect& other) const;
};

// `literal` gives the values of the fixture.
std::vector<Effect> effectsOf(const resolve::World& world, const resolve::Resolver& resolver, const Stage& stage,
                              const Arm& arm, const Stage::Render& literal);

// The same for the steps of a foreach.
std::vector<Effect> effectsOfEach(const resolve::World& world, const resolve::Resolver& resolver, const Stage& stage,
                                  const Arm& arm, const resolve::ResolvedStep& loop, const Stage::Render& literal);

// Whether a step, or one within it, changes or deletes rows that are there.
bool changesRowsOf(const resolve::ResolvedStep& step, const resolve::EntityInfo* target);

// Whether a condition speaks of a value that no other test has.
bool isTied(const Stage& stage, const Stage::Render& literal, const std::string& condition);

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

// The deliveries that a step queues, over `d`; empty if the step queues none.
std::string deliveryCondition(const resolve::World& world, const Stage& stage, const resolve::ResolvedStep& step,
                              const Stage::Render& literal, std::string& why);

// The events that an emit raises, over `v`; empty, and why, if its values cannot be known.
std::string emittedCondition(const Stage& stage, const resolve::ResolvedStep& step, const Stage::Render& literal,
                             std::string& why);

// A type that has no equality is compared in another form.
std::string comparable(const std::string& sql, const std::string& type);

}  // namespace specql::testgen
