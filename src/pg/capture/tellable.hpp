// Texts of errors that may be told. PostgreSQL quotes rows and values in them ("Failing row contains (…)"), so those of
// an action that has to do with private fields are told without what may quote one.
#pragma once

#include "pg/base/server.hpp"

namespace specql::capture {

// The error as it may be written down, shown and logged: the same, or a copy in the current memory context.
const ErrorData* tellable(const char* action, const ErrorData* error);
// For a WARNING of its events: the log gets neither the statement that raised them nor where that stood. An auxiliary
// function of ereport().
int hideStatement(const char* action);
// The copy, for whoever knows that the action has to do with private fields.
ErrorData* withoutValues(const ErrorData* error);

}  // namespace specql::capture
