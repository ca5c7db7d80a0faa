// specql.waiting_event: events of paused actions.
#pragma once

#include "pg/capture/event_set.hpp"

namespace specql::handling {

// Stores the set's events, with their ids, until specql.resume(action). They are handled in the order of their ids.
void storeWaiting(capture::EventSet* set);

}  // namespace specql::handling
