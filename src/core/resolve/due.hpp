// Due times of rows: the action that a row raises at its time, and the listeners that keep the times of the rows.
#pragma once

#include <vector>

#include "resolve/resolver.hpp"

namespace specql::resolve {

// What on: time Invoice.due_at + 3 days means; empty if an error was reported.
std::vector<Binding> dueBinding(World& world, const ActionInfo& action);
// Adds to the resolver's actions those that keep the times: one listens to changes of rows, one to TRUNCATE.
void addDueListeners(Resolver& resolver, World& world, const ActionInfo& action, const Binding& due,
                     const std::string& base);
// What the name of the function of a listener ends in that says when the rows are due.
inline constexpr const char* dueTimesSuffix = "_times";

}  // namespace specql::resolve
