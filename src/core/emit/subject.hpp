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

// The condition over old and new under which a change of a row is the binding's event; empty: it always is.
std::string eventSql(const resolve::Binding& binding);
// Of the columns that must change in an update, that one does; empty: none must.
std::string anyChangedSql(const resolve::Binding& binding);
// What happened to the row, over old and new: 'insert', 'update' or 'delete'.
std::string operationSql(const resolve::Binding& binding);

}  // namespace specql::emit
