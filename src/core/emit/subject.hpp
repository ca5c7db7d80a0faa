// What an event says of the row it is about.
#pragma once

#include <string>

#include "resolve/action.hpp"

namespace specql::emit {

// The expression, over the rows old and new, of the key of the row that changed, as text: what specql.subject_sql gives
// for a row there is. A key of several columns is a JSON array; NULL where there is none.
std::string subjectSql(const resolve::Binding& binding);

// The condition, over the rows old and new, that a column has another value.
std::string changedSql(const resolve::EntityInfo& entity, const std::string& column);

}  // namespace specql::emit
