// What is wanted against what is installed: the steps between them.
#pragma once

#include <vector>

#include "plan/table_change.hpp"

namespace specql {

// Steps in the order in which they can run: drops first, then creations. Reports to the world what is refused: tables
// that do not fit, changes that would lose data. `objects` are those of the whole world; `answers` are to `questions`,
// which askOfTables() made of them.
std::vector<PlanStep> makePlan(World& world, const Resolver& resolver, const std::vector<Object>& objects,
                               const std::vector<TableQuestion>& questions, const std::vector<TableAnswer>& answers);

}  // namespace specql
