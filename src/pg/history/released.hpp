// What waited for a paused action, given to its handler once specql.resume has let it go.
#pragma once

#include <cstdint>

namespace specql::history {

// Handles what waits for an action, or (nullptr) for all that are not paused any more, up to `limit` events. What fails
// goes to specql.failure. How many events.
int64_t handleReleased(const char* action, int64_t limit);
// Moves up to `limit` events that wait though their action is not paused to the failures, due at once.
void failReleased(const char* action, int64_t limit);

}  // namespace specql::history
