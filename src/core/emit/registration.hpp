// What makes handlers run: the triggers of tables, and what the extension knows of each action.
#pragma once

#include <string>
#include <vector>

#include "model/object.hpp"
#include "resolve/resolver.hpp"

namespace specql::emit {

// The trigger of a rule that runs before the row is written.
Object beforeTrigger(const resolve::ResolvedAction& action);
// The trigger that calls an action's handler, once for each statement.
Object actionTrigger(const resolve::ResolvedAction& action);

// `processed`: the function that is called when the last delivery of an event has arrived; empty if there is none.
Object registration(const resolve::World& world, const resolve::Resolver& resolver,
                    const resolve::ResolvedAction& action, const std::string& processed);

// An action on several tables is registered as a whole, so that it can be forgotten as a whole. The first registration
// stays the first; the order of the others, which is another one when another text is applied, must not matter.
void mergeRegistrations(std::vector<Object>& objects);

// One capture trigger serves all actions of a table; it fires for what any of them listens to.
std::vector<Object> captureTriggers(const resolve::Resolver& resolver);

}  // namespace specql::emit
