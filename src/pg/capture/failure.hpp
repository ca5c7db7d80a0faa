// specql.failure: events that a handler could not process, and trying them again.
#pragma once

#include "pg/capture/event_set.hpp"

namespace specql::capture {

// Records events [first, first + count) of the set as failed with `error`: new rows in specql.failure. Each is due
// again after an exponentially growing, random delay, or parked when the action's attempts are used up; `park` parks
// it at once.
void recordFailures(EventSet* set, int64_t first, int64_t count, const ErrorData* error, bool park);

// The same for an event that stands in specql.waiting_event: a copy of it. One of a replay that delivers nothing is
// parked.
void recordWaitingFailure(const pg_uuid_t* id, const char* action, const ErrorData* error);

// The same for an event that stands in specql.failure and has failed again.
void recordFailureAgain(const pg_uuid_t* id, const char* action, const ErrorData* error, bool park);

// The error of an attempt that is counted already.
void recordFailureOfNoted(const pg_uuid_t* id, const char* action, const ErrorData* error);

// Not tried, and so not counted: what it needs is held by somebody else.
void putOff(const pg_uuid_t* id, const char* action);

}  // namespace specql::capture
