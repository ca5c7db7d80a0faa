// Retries of one action's failed events, for owner workers.
#pragma once

#include "pg/history/past.hpp"

namespace specql::history {

// Retries up to `limit` due events of an action, each in a subtransaction of this transaction, and begins none after
// `stopAt`. Returns how many it has tried. `held` is set to true if one met an error that the others
// share, a lock or an outage; they are then left for later.
int64_t retryAction(const char* action, int64_t limit, TimestampTz stopAt, bool* held);

// An event whose handler may end the session or the transaction is retried in up to three transactions. countAttempt()
// stores the attempt as a failed one; retryCounted() runs the handler and deletes the failure; if that raised an error,
// recordCountedError() stores it. So an event that ends the session each time is parked when its attempts are used up.
// Takes the event of the action that is due first; nullptr if none is due. In the current memory context.
PastEvent* countAttempt(const char* action);
void retryCounted(const PastEvent* failed);
void recordCountedError(const PastEvent* failed, const ErrorData* error);

// Has the action to do with private fields, so that the server's log must not have its errors with all that they quote?
bool tellsPrivate(const char* action);
// The message of an error of the action, as it may be told.
const char* tellableMessage(const char* action, const ErrorData* error);

}  // namespace specql::history
