// The row of the entity that a saga stands in, which tells of one saga: what it was given, and how it stands.
#pragma once

#include <optional>

#include "emit/function.hpp"
#include "resolve/action.hpp"

namespace specql::emit {

// Makes the row, into v_record, before the first step.
std::string insertRecord(const resolve::ResolvedAction& action);
// Writes down in it how the saga stands; none if it has no columns for that.
std::optional<FunctionText> recordFunction(const resolve::ResolvedAction& action);
// Does the row say when the saga has come to its end, so that old ones can be told from others?
bool tellsItsEnd(const resolve::EntityInfo& record);

}  // namespace specql::emit
