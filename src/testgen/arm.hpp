// Ways through actions, and what stands in the way.
#pragma once

#include <string>
#include <vector>

#include "resolve/resolver.hpp"

namespace specql::testgen {

// One way through an action: steps, and the conditions under which they run.
struct Arm {
    struct Part {
        const resolve::BoundExpression* condition;
        bool negated;
        const resolve::ResolvedStep* validate;  // the step, if it is one that refuses the event
    };
    std::vector<Part> parts;
    std::vector<const resolve::ResolvedStep*> steps;  // nested if/then/else have arms of their own
    bool top = true;                                  // a branch of the action itself
    std::string label;                                // what tests call it: low_stock event
};

// The arms of an action, in order.
std::vector<Arm> armsOf(const resolve::ResolvedAction& action);
// The same with labels: the type of the event that an arm records, or a number.
std::vector<Arm> namedArms(const resolve::World& world, const resolve::ResolvedAction& action);
// Of these steps those that do something; of a loop, what its steps do.
std::vector<const resolve::ResolvedStep*> effective(const std::vector<const resolve::ResolvedStep*>& steps);
// What a check of a step is called: `low_stock event: notify: sales_team "Product out of stock"`.
std::string stepTitle(const resolve::World& world, const Arm& arm, const resolve::ResolvedStep& step);

// The operations that set an action off: bits of Op; 0 for a custom event.
std::vector<unsigned> operationsOf(const resolve::ResolvedAction& action);

// A validate step of an action with `on_error: abort`: the statement that breaks it fails, whoever types it.
struct Invariant {
    const resolve::ResolvedAction* owner = nullptr;
    std::vector<Arm::Part> when;  // where these hold …
    const resolve::BoundExpression* holds = nullptr;
};

// Those of the actions in force that listen to an operation on the rows of an entity (`custom` empty), or to a custom
// event; without those of the action `except`.
std::vector<Invariant> invariantsOf(const resolve::Resolver& resolver, const resolve::ActionInfo* except,
                                    const resolve::EntityInfo* entity, unsigned operation, const std::string& custom);

// A function by itself, whatever calls it.
resolve::ResolvedAction alone(resolve::ResolvedAction action);

// Whether the spec switches the action off.
bool isSwitchedOff(const resolve::ActionInfo& action);

}  // namespace specql::testgen
