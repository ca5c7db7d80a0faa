// Runs a handler over a set of events: in a frame and a subtransaction, with the treatment of its errors.
#pragma once

#include "pg/capture/frame.hpp"

namespace specql::handling {

// Handles the events of a set, logs them, and drops the set. `trigger` is passed to the handler; it is nullptr where no
// statement trigger is running (a handler that is a trigger function then gets TriggerData that is made up).
//
// With on_error = abort errors of the handler are raised. Otherwise they are caught in a subtransaction, and the set is
// split until each event that fails has failed alone; those are recorded in specql.failure, and a warning is raised.
// After a number of calls of the handler that depends on that of the events, what is left waits for the worker, and so
// do later events of the action in this transaction. A set is not split after an error that is shared, nor when the
// handler seems to fail always. Events about the same row are handled in separate rounds. Deferred constraints of the
// tables that the handler has written count as its errors; where the transaction has violated them before, the events
// wait for the worker. With abort they are left to COMMIT. Events beyond specql.max_cascade_depth are not handled: that
// raises an error with abort, and parks them otherwise. Events of a paused action are stored in specql.waiting_event.
void handleEventSet(capture::EventSet* set, TriggerData* trigger);

// The same with the settings that are kept with the events, which the session may not have, or no longer.
void handleWithSettings(capture::EventSet* set);

// Runs the handler over events [first, first + count) of the set and logs them. Raises all errors of the handler.
// Returns the oids of the deferrable constraints of the tables that were written, in the current memory context: they
// may be violated (deferred.hpp).
List* runHandler(capture::EventSet* set, int64_t first, int64_t count, TriggerData* trigger);

// Calls the handler with all events of the set, without logging them. Raises all errors of the handler.
void callHandlerOnly(capture::EventSet* set);

// Handles, before the transaction commits, the events that were captured outside of handlers and that no statement
// trigger has taken: of rows that were written directly to a partition, or by logical replication.
void handleLeftovers();

// Whether the last error that was asked about is shared; begins as {}.
struct SharedError {
    int sqlerrcode;
    bool shared;
};

// Would the other events of the action probably meet the same error, each after as long a time? That is so after a
// deadlock or a lock timeout, and of all that specql.error_kind() calls waiting. `last` saves asking twice for one
// code.
bool isShared(const char* action, const ErrorData* error, SharedError* last);

// The chain of actions for the error, if the set is deeper than specql.max_cascade_depth; nullptr if it is not. In the
// current memory context.
char* cascadeChain(const capture::EventSet* set);

}  // namespace specql::handling
