// Steps of processes that wait for events, and for conditions over rows: what tells them.
#pragma once

#include "resolve/resolver.hpp"

namespace specql::resolve {

// Adds a listener for each event that steps wait for, and for each entity whose rows their conditions or times read.
void addWaiters(Resolver& resolver, World& world, const ActionInfo& action, const ResolvedAction& process);

}  // namespace specql::resolve
