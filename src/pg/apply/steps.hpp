// Runs the steps of a plan.
#pragma once

#include "model/object.hpp"

namespace specql::apply {

// Runs the commands of all steps, one SPI call each, as the current user. Needs an SPI connection; `steps` must be
// held. Raises SQ101 if a trigger would be put on a table that the caller does not own.
void runSteps(const std::vector<PlanStep>& steps, size_t from = 0);

}  // namespace specql::apply
