// The events that matches of windows and correlations raise.
#pragma once

#include "pg/events/event_set.hpp"

namespace specql {

struct MatchEvent {
    const char* type;     // the event's name
    const char* action;   // whose window or correlation it is
    Datum data;           // jsonb
    TimestampTz time;
    Lineage lineage;
    bool timedOut;        // then nobody else hears of it
};

// Runs the steps of the match's own action, and every other action that listens to the event.
void raiseMatch(const MatchEvent* match);

}  // namespace specql
