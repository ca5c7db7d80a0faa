// Failed events given to their handlers again, action by action: for the worker of an owner.
#pragma once

#include "pg/history/past.hpp"

namespace specql::history {

// Tries up to `limit` due events of an action, in this transaction, no longer than until `stopAt`; each in a
// subtransaction. How many. `contended`: somebody holds what the handler needs, and the rest has been left for later.
int64_t retryAction(const char* action, int64_t limit, TimestampTz stopAt, bool* contended);

// An event that may end the session, or the transaction, is tried in three steps, the first and the last in
// transactions of their own: its next attempt is written down as one that failed; it is tried, which removes it; if
// that ended with an error after all, the error is written down. An event that ends the session so comes to be parked
// like any other.
PastEvent* noteAttempt(const char* action);  // of the event that is due first; nullptr if none is
void tryNoted(const PastEvent* failed);
void recordNoted(const PastEvent* failed, const ErrorData* error);

}  // namespace specql::history
