// Workflows: functions of a row, whose steps have names. Without a trigger an action of such a pattern is called.
#pragma once

#include "spec/context.hpp"

namespace specql::spec {

bool isWorkflow(const Action& action);
// A workflow, or choices (conditions:).
bool isCallable(const Action& action);
// One that nothing raises: a function of a row of the entity it stands in.
bool isCalled(const Action& action);
// workflow: of an action, as steps; or an error at any other.
void readWorkflow(ReadContext& context, const yaml::Node& node, Action& action);
// What a step does that is written as action:, entity:, fields:, …, under its name. `others`: keys beside those. False
// if it was refused.
bool readActionForm(ReadContext& context, const yaml::Node& node, const Text& name, const Words& others, Step& step);
// A step of a workflow but for its name; false if it was refused.
bool readWorkflowStep(ReadContext& context, const yaml::Node& node, const Text& name, Step& step);
// When all documents are read: whose rows steps mean that name none, and values of enums that are written bare.
void completeWorkflows(ReadContext& context);

}  // namespace specql::spec
