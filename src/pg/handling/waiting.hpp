// specql.waiting_event: events of paused actions, and those that are handled after the transaction.
#pragma once

#include "pg/capture/event_set.hpp"

namespace specql::handling {

// Stores events [first, first + count) of the set, with their ids. While the action is paused they wait for
// specql.resume(action), otherwise for the worker. They are handled in the order of their ids.
void storeWaiting(capture::EventSet* set, int64_t first, int64_t count);

// The same for events that are left untried. Later ones of the action must not overtake them: until the transaction, or
// the subtransaction, ends, isBehind() is true for it.
void leaveUntried(capture::EventSet* set, int64_t first, int64_t count);
bool isBehind(const char* action);

// When a subtransaction is aborted or committed; after a transaction the parameter is InvalidSubTransactionId.
void forgetUntriedOf(SubTransactionId subtransaction);
void passUntried(SubTransactionId subtransaction, SubTransactionId parent);

}  // namespace specql::handling
