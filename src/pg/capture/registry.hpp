// What specql.action says, cached per backend: which actions listen to a custom event, and in which order actions run.
#pragma once

#include "pg/capture/table_listeners.hpp"

namespace specql::capture {

// The listeners (Listener*) of all enabled actions for this custom event, in the order in which they run; NIL if there
// are none. The list is allocated in the current memory context; the listeners live to the end of the transaction. A
// window or correlation has a listener for its own matches too: that one is only given for `matched`, the name of the
// action that matched (nullptr for an event that no match raised).
List* eventListeners(const char* event, const char* matched);

// The listener of an action, of a custom event or a match, for an answer to its calls; nullptr if it has none.
Listener* eventAnswerListener(const char* action, const char* event);

// The types of answers that any action listens to, a text[].
Datum heardAnswers();

// Does the left one of two listeners run first? The smaller `order:` decides, then on_error = abort, then the position
// in the spec. Actions that are not registered run last, ordered by the names of their triggers.
bool runsBefore(Listener* left, Listener* right);

// Has specql.pause stopped this action?
bool isPaused(const char* action);

// Does the action ask for the caller, so that the event log must store who it was?
bool usesCaller(const char* action);

// Does the action have to do with private fields, so that texts of its errors may quote one?
bool tellsPrivate(const char* action);

// Once per backend, when the library is loaded.
void registerRegistryInvalidation();
// Frees what earlier loads have read. Only to be called at the end of a transaction.
void freeOutdatedRegistry();

}  // namespace specql::capture
