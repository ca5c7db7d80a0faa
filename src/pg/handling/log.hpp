// The event log: finished events, one row per event and handling action, written in bulk.
#pragma once

#include "pg/capture/frame.hpp"

namespace specql::handling {

// Writes a row for each event of the frame, with its number of deliveries. With log_events = failed only events that
// have failed before are logged.
void logHandled(const capture::Frame* frame);

// Writes a row for each of `count` custom events that no action listens to; ids, jsonb data and times are parallel
// arrays.
void logUnheard(const char* type, const pg_uuid_t* ids, const Datum* data, const TimestampTz* times, int count);

}  // namespace specql::handling
