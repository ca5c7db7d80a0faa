// The event log: finished events, one row per event and handling action, written in bulk.
#pragma once

#include "pg/capture/event_columns.hpp"
#include "pg/capture/frame.hpp"

namespace specql::handling {

// Writes a row for each event of the frame, with its number of deliveries. With log_events = failed only events that
// have failed before are logged.
void logHandled(const capture::Frame* frame);

// Writes a row for each of `count` custom events that no action listens to; ids, jsonb data and times are parallel
// arrays.
void logUnheard(const char* type, const pg_uuid_t* ids, const Datum* data, const TimestampTz* times, int count);

// The same for one that was kept, with what it had then.
void logUnheard(const capture::EventOrigin& origin, const pg_uuid_t* id, Datum data, TimestampTz time);

// The same for one that is not handled because another with its key is known; `why` says which. Its data are not kept:
// of an event without action everybody sees them.
void logRepeated(const char* type, const pg_uuid_t* id, TimestampTz time, const char* why);

}  // namespace specql::handling
