// The events that matches of windows and correlations raise.
#pragma once

#include "pg/capture/event_set.hpp"

namespace specql::handling {

struct MatchEvent {
    const char* type;    // the event's name
    const char* action;  // whose window or correlation it is
    Datum data;          // jsonb
    TimestampTz time;
    capture::Lineage lineage;
    const char* traceparent;  // of the event that completes it; nullptr if it has none
    Datum settings;           // likewise: jsonb or 0
    bool timedOut;            // a correlation that was not completed in time: only its own action handles it
    bool waits;               // the event is stored in specql.waiting_event, to be handled in another transaction
};

// Raises the event of a match: the action's own steps and all other listeners handle it now or, with `waits`, later.
void raiseMatch(const MatchEvent* match);

}  // namespace specql::handling
