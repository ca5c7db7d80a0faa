// The states of an entity's rows, and the actions that change them.
#pragma once

#include "spec/context.hpp"

namespace specql::spec {

// states: of an entity whose fields and actions are read; and what its actions that are transitions do to a row.
void readStates(ReadContext& context, const yaml::Node& root, Entity& entity);
// The keys of an action that is a transition, or that are errors at any other.
void readTransition(ReadContext& context, const yaml::Node& node, Action& action);
bool isTransition(const Action& action);

}  // namespace specql::spec
