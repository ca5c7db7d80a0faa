// Bulk operations over an array whose elements are rows: what one statement does for many of them.
#pragma once

#include "resolve/action.hpp"

namespace specql::resolve {

// The step that writes one row for each element, if the action says something of its elements, and such a step and
// tests are all that it has; else null. One statement then does it for many elements.
const ResolvedStep* writtenAtOnce(const World& world, const ResolvedAction& action);
// The key of the elements that names the row that the step updates or deletes; null if none does.
const Value* rowOfElement(const World& world, const ResolvedAction& action, const ResolvedStep& step);
// The first step that writes; null if there is none.
const ResolvedStep* writingStep(const ResolvedAction& action);

}  // namespace specql::resolve
