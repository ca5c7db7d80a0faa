// specql.waiting_event: events of paused actions.
#pragma once

#include "pg/capture/event_set.hpp"

namespace specql::handling {

// Keeps the set's events until specql.resume(action), in the order of their ids.
void keepWaiting(capture::EventSet* set);

}  // namespace specql::handling
