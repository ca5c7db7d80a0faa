// specql.waiting_event: events of paused actions, and those that wait for the end of the transaction.
#pragma once

#include "pg/capture/event_set.hpp"

namespace specql::handling {

// Stores events [first, first + count) of the set, with their ids. While the action is paused they wait for
// specql.resume(action), otherwise for the worker. They are handled in the order of their ids.
void storeWaiting(capture::EventSet* set, int64_t first, int64_t count);

}  // namespace specql::handling
