// Workflows that wait: steps that go on when a time comes, an event, an answer, a person's choice, or a condition
// holds.
#pragma once

#include "spec/context.hpp"

namespace specql::spec {

// Does a step of this workflow wait?
bool waits(const yaml::Node& workflow);
// The steps of one that does, as those of a process.
void readWaitingWorkflow(ReadContext& context, const yaml::Node& node, const yaml::Node& workflow, Action& action);

}  // namespace specql::spec
