// What is wanted against what is installed: the steps between them.
#pragma once

#include <vector>

#include "plan/table_change.hpp"

namespace specql::plan {

// Steps in the order in which they can run: drops first, then creations. Reports to the world what is refused: tables
// that do not fit, changes that would lose data. `objects` are those of the whole world; `answers` are to `questions`,
// which askOfTables() made of them.
std::vector<PlanStep> makePlan(resolve::World& world, const std::vector<Object>& objects,
                               const std::vector<TableQuestion>& questions, const std::vector<TableAnswer>& answers);

// Functions and foreign keys that are wanted before and after, but not the same: what rules and refs that stay would
// mean something else. A sentence for each of those: "action ta.on_x".
std::vector<std::string> changedMeanings(const std::vector<Object>& before, const std::vector<Object>& after);

}  // namespace specql::plan
