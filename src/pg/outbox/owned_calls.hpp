// Calls of functions that belong to roles, by the worker or specql.drain(). Each is made in a subtransaction.
#pragma once

#include "pg/base/server.hpp"

namespace specql::outbox {

// Runs a command with one jsonb argument, $1, as `owner`.
ErrorData* runCommandAs(Oid owner, const char* command, Datum argument);

// Tells the function that an action names as `processed` which events (a uuid[]) are done, as the function's owner.
ErrorData* callProcessed(const char* name, Datum ids);

}  // namespace specql::outbox
