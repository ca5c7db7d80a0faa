// The settings of events and of their caller.
// All but caller and caller_claims can be set by superusers only: a session must not be able to switch off the actions
// of other roles. Those two are set by the application, which alone knows for whom it works.
#pragma once

#include <cstdint>

namespace specql::settings {

enum LogEvents { logFailed, logMatched, logAll };
enum EventImages { imagesChanged, imagesWhole };

extern int maxCascadeDepth;       // events in one chain of causes; the next one fails
extern int logEvents;             // a LogEvents
extern int eventImages;           // an EventImages
extern bool wholeDeliveries;      // deliveries hold what their events hold
extern int maxEventSize;          // kilobytes of the row images of an event
extern int eventRetention;        // seconds that finished events stay in the log
extern int batchSize;             // failures, waiting events or deliveries that are claimed at once
extern int64_t clockOffset;       // microseconds that the engine's clock is ahead of the server's
extern int windowPatience;        // milliseconds that windows wait for older transactions
extern const char* callerClaims;  // names of settings, each terminated by a NUL, and a second NUL after the last

// Called once per backend, when the library is loaded.
void defineEventSettings();

}  // namespace specql::settings
