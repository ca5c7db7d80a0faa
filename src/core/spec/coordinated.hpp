// Actions over several entities: one function that writes a parent, its children and other rows together.
#pragma once

#include "spec/context.hpp"

namespace specql::spec {

// items: of an entity of which a single row is inserted, though it refers to the parent.
inline constexpr char noItems[] = "none";

bool isCoordinated(const Action& action);
// Its parent comes last.
bool isCascade(const Action& action);
// entities: of such an action, as steps of its one branch; at any other it is an error.
void readCoordinated(ReadContext& context, const yaml::Node& node, Action& action);

}  // namespace specql::spec
