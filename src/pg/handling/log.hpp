// The event log: finished events, one row per event and handling action, written in bulk.
#pragma once

#include "pg/capture/frame.hpp"

namespace specql::handling {

// Logs the frame's events as handled.
void logHandled(const capture::Frame* frame);

// Logs custom events that no action listens to.
void logUnheard(const char* type, const pg_uuid_t* ids, const Datum* data, const TimestampTz* times, int count);

}  // namespace specql::handling
