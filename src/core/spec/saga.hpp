// Sagas: processes whose steps say what undoes them.
#pragma once

#include "spec/context.hpp"

namespace specql::spec {

bool isSaga(const Action& action);
// saga_steps: and what goes with them, as the steps of the action's one branch; at any other they are an error.
void readSaga(ReadContext& context, const yaml::Node& node, Action& action);

}  // namespace specql::spec
