// The settings of events: specql.max_cascade_depth, log_events, event_retention, batch_size,
// clock_offset, window_patience; and caller, caller_claims.
// All but the last two are for superusers: a caller must not be able to switch off what other people's rules do to his
// changes. Who he is, the application says.
#pragma once

#include <cstdint>

namespace specql::settings {

enum LogEvents { logFailed, logMatched, logAll };

extern int maxCascadeDepth;       // events in one chain of causes; the next one fails
extern int logEvents;             // a LogEvents
extern int eventRetention;        // seconds that finished events stay in the log
extern int batchSize;             // failures that drain() claims at once
extern int64_t clockOffset;       // microseconds that the engine's clock is ahead of the server's
extern int windowPatience;        // milliseconds that windows wait for older transactions
extern const char* callerClaims;  // names of settings, each with a NUL behind it, and another one behind the last

void defineEventSettings();

}  // namespace specql::settings
