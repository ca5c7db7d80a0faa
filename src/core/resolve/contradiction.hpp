// Conditions that contradict themselves.
#pragma once

#include "resolve/resolver.hpp"

namespace specql::resolve {

// Warns of every condition of the new text, of a branch, an if:, a validate: or a WHERE, that cannot hold for any
// values: two of its parts, or one part and what raises the event, exclude each other, or a part is never true by
// itself. Says nothing where it is not sure.
void reportContradictions(World& world, const Resolver& resolver);

// Why a condition cannot hold; empty if it may. `missingRows`: also because it asks for a row that there never is.
std::string contradictionIn(const World& world, const ResolvedAction& action, const BoundExpression& condition,
                            bool missingRows = true);

}  // namespace specql::resolve
