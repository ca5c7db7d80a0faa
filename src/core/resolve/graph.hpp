// The event graph: which action can set off which, and the cycles in it (runtime.md, promise 4).
#pragma once

#include "resolve/resolver.hpp"

namespace specql {

// Warns of every group of actions that can set each other off without end: an action writes what another listens to.
// A write that cannot satisfy the listener (another column changes, another event_type is inserted, the condition
// demands another literal than the one assigned) is no edge.
void reportCycles(World& world, const Resolver& resolver);

}  // namespace specql
