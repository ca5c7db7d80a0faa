// Calls of users' functions with the rights of a role, by a worker or specql.drain(). Each runs in a subtransaction;
// the result is nullptr or the error, in the current memory context.
#pragma once

#include "pg/base/server.hpp"

namespace specql::outbox {

// Runs an SQL command, whose parameter $1 is a jsonb, as `owner`.
ErrorData* runCommandAs(Oid owner, const char* command, Datum argument);

// Calls the function that an action names as `processed:` with the ids of finished events (a uuid[]), as its owner.
// Also raises a warning if it fails.
ErrorData* callProcessed(const char* name, Datum ids);

}  // namespace specql::outbox
