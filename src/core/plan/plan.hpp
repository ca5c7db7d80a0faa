// What is wanted against what is installed: the steps between them.
#pragma once

#include <vector>

#include "emit/emit.hpp"

namespace specql {

// Steps in the order in which they can run: drops first, then creations. Reports to the world what is refused: tables
// that do not fit, changes that would lose data. `objects` are those of the whole world.
std::vector<PlanStep> makePlan(World& world, const Resolver& resolver, const std::vector<Object>& objects);

}  // namespace specql
