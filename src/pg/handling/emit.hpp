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
    bool timedOut;  // then nobody else hears of it
    bool waits;     // its actions handle it later, as what waited for a pause to end
};

// Runs the steps of the match's own action, and every other action that listens to the event, or has them wait for it.
void raiseMatch(const MatchEvent* match);

}  // namespace specql::handling
