// The settings of events and of their caller.
// All but caller, caller_claims and traceparent can be set by superusers only: a session must not be able to switch off
// the actions of other roles, nor what their policies see when they run later. Those three are set by the application,
// which alone knows for whom, and in which request, it works.
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
extern const char* context;       // likewise: those that are kept with events
extern char* traceparent;         // of the W3C, or empty

// Can specql.context name this setting? It must be one that extensions and applications make up, outside of specql's.
bool isContextName(const char* name);

// Called once per backend, when the library is loaded.
void defineEventSettings();

}  // namespace specql::settings
