// Running a handler over a set of events: in a frame, in a subtransaction, and what happens if it fails.
#pragma once

#include "pg/capture/frame.hpp"

namespace specql::handling {

// Handles the events of a set, logs them, and drops the set. `trigger` is what the handler shall be called with;
// nullptr where no trigger is running (it is made up then, for handlers that are trigger functions).
//
// With on_error = abort an error of the handler is the caller's. Otherwise it is caught in a subtransaction and halves
// of the set are tried until the events that fail stand alone; they are recorded in specql.failure and a warning is
// raised. Where taking apart is no use (a lock that cannot be had, a handler that always fails) they are recorded
// together. Events about the same row are handled one after the other. Events beyond specql.max_cascade_depth are not
// run: with abort that is an error, else they are parked failures.
void handleSet(capture::EventSet* set, TriggerData* trigger);

// Runs the handler over events [first, first + count) of the set and logs them; every error is the caller's.
void runHandler(capture::EventSet* set, int64_t first, int64_t count, TriggerData* trigger);

// Calls the handler with all events of the set and does nothing else: no log, no retry; every error is the caller's.
void callHandlerAlone(capture::EventSet* set);

// Handles what was captured outside of any frame and never dispatched, because rows were written straight to a
// partition or a replica applied them. For the end of the transaction.
void handleLeftovers();

// Somebody else holds what the handler needs: others would wait for it too, each as long.
bool isContention(const ErrorData* error);

// Raised or recorded by handleSet; nullptr if the set is not too deep. Lies in the current memory context.
char* cascadeChain(const capture::EventSet* set);

}  // namespace specql::handling
