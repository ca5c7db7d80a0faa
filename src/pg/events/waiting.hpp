// specql.waiting_event: events of paused actions.
#pragma once

#include "pg/events/event_set.hpp"

namespace specql {

// Keeps the set's events until specql.resume(action), in the order of their ids.
void keepWaiting(EventSet* set);

// Handles what waits for an action, or (nullptr) for all that are not paused any more, up to `limit` events. What fails
// goes to specql.failure. How many events.
int64_t handleReleased(const char* action, int64_t limit);

}  // namespace specql
