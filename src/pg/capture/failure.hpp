// Writes specql.failure: events whose handler failed, and the results of retries. All functions run as the extension's
// owner; those with `park` park the failure instead of making it due again.
#pragma once

#include "pg/capture/event_set.hpp"

namespace specql::capture {

// Events [first, first + count) of a set, and the error that they met.
struct FailedRange {
    int64_t first;
    int64_t count;
    const ErrorData* error;
};

// Inserts the events of some ranges (a list of FailedRange). Each is due again after an exponential backoff with
// jitter, or parked if the action's attempts are used up, as specql.after_error() says. In a replay that delivers
// nothing the error is rethrown instead.
void recordFailures(EventSet* set, const List* failed, bool park);
// The same for one range.
void recordFailures(EventSet* set, int64_t first, int64_t count, const ErrorData* error, bool park);

// The same for an event of specql.waiting_event, which is copied from there. An event of a replay that delivers nothing
// is parked, because a retry would deliver.
void recordWaitingFailure(const pg_uuid_t* id, const char* action, const ErrorData* error);

// Counts one more failed attempt of an event of specql.failure, and stores its error.
void recordFailureAgain(const pg_uuid_t* id, const char* action, const ErrorData* error, bool park);

// Stores the error of an attempt that was counted before it began, and what follows from that error.
void recordCountedFailure(const pg_uuid_t* id, const char* action, const ErrorData* error);

// Makes a failure due about a second later without counting an attempt, for events of an action that met a lock.
void postponeRetry(const pg_uuid_t* id, const char* action);

}  // namespace specql::capture
