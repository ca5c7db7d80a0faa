// Released events: they waited for a paused action (or, from a match, for another transaction) and may be handled now.
#pragma once

#include <cstdint>

namespace specql::history {

// Handles up to `limit` waiting events of an action, or for nullptr of all actions that are not paused and that the
// caller may see. Those that fail are moved to specql.failure. Returns how many events were taken.
int64_t handleReleased(const char* action, int64_t limit);
// The same for matches of windows and correlations alone, of all actions that the caller sees.
int64_t handleMatches(int64_t limit);
// Moves up to `limit` waiting events of an action to specql.failure, due at once: for a batch whose handling ended the
// session, so that the events are tried one at a time.
void failReleased(const char* action, int64_t limit);

}  // namespace specql::history
