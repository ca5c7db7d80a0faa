// Updates that several events of a set may make to the same row, written as one statement that adds them up.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "resolve/resolver.hpp"
#include "spec/condition.hpp"

namespace specql::emit {

// `SET x = x + term`, where the terms say nothing of the target, is the same in any order: one sum for each row that
// WHERE finds by the events' values.
struct SumUpdate {
    struct Sum {
        const resolve::BoundAssignment* set;
        size_t own;  // which of the expression's names is the column itself
    };
    std::vector<Sum> sums;
    std::vector<const resolve::BoundAssignment*> constants;  // the same for all events
    std::vector<resolve::Value> keys;                        // of the events: what tells the target's rows
    std::vector<std::string> keyColumns;                     // of the target: what each of them is equal to
    std::set<std::string> read;                              // columns of the target that WHERE reads
};

// Values that each row of a set has of its own; the others that steps can name are the same for all of them.
bool isOfRow(const resolve::Value& value, const resolve::ResolvedAction& action);

// True if values of both types that are equal to a third are equal to each other.
bool sameWhenEqual(const std::string& one, const std::string& other);

// True if a part of a condition is `a = b` alone, where a is the name at this place and b the next one.
bool isEquality(const resolve::World& world, const resolve::BoundExpression& condition, const spec::Atom& atom,
                size_t name);

// None if the update has to be made row by row.
std::optional<SumUpdate> readSum(const resolve::World& world, const resolve::Resolver& resolver,
                                 const resolve::ResolvedAction& action, const resolve::ResolvedStep& step);

// True if it makes no difference whether both are done event by event, or one after the other for all events.
bool independent(const resolve::World& world, const SumUpdate& one, const SumUpdate& other);

}  // namespace specql::emit
