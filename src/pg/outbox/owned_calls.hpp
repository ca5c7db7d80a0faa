// Calls of users' functions with the rights of a role, by a worker or specql.drain(). Each runs in a subtransaction;
// the result is nullptr or the error, in the current memory context.
#pragma once

#include "pg/base/server.hpp"

namespace specql::outbox {

// Runs an SQL command, whose parameter $1 is a jsonb, as `owner`, with the trace (nullptr: none) and the settings
// (jsonb; 0: none) of the event that it is of.
ErrorData* runCommandAs(Oid owner, const char* command, Datum argument, const char* traceparent, Datum settings);

// Calls the function that an action names as `processed:` with the ids of finished events (a uuid[]), as its owner,
// with the settings that are kept with all of them. Also raises a warning if it fails, without values of an action that
// has to do with private fields.
ErrorData* callProcessed(const char* action, const char* name, Datum ids, Datum settings);

}  // namespace specql::outbox
