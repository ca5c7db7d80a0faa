// What specql.action says, cached per backend: which actions listen to a custom event, and in which order actions run.
#pragma once

#include "pg/capture/rules.hpp"

namespace specql::capture {

// The rules (Rule*) of all enabled actions that listen to this custom event, in the order in which they run; NIL if
// there are none. The handler of a window's or correlation's matches is among them only if it is that of `matched`, an
// action, or nullptr. Good until the next call that can process invalidations; the rules live to the end of the
// transaction.
List* listenersOf(const char* event, const char* matched);

// Of two actions that one statement sets off: does the left one run first? That is the one with the smaller order, else
// the one with on_error = abort, else the one that stands first in the texts. Unregistered ones are the last; of these
// the trigger whose name is the smaller one is the first.
bool runsBefore(Rule* left, Rule* right);

// Is this what an action's trigger on a table runs? What a trigger says by itself counts for nothing: whoever has
// TRIGGER on a table may write it.
bool isRegistered(const Rule* rule, const char* capture, Relation relation);
// The table of the registry; InvalidOid if it has not been read yet.
Oid registryTable();

// Has specql.pause stopped this action?
bool isPaused(const char* action);

// Does the event log keep the caller of its events?
bool usesCaller(const char* action);

void registerListenerInvalidation();
// Frees listeners that were replaced. Only to be called at the end of a transaction.
void freeOutdatedListeners();

}  // namespace specql::capture
