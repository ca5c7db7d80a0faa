// Which actions listen to a custom event: specql.action, cached per backend.
#pragma once

#include "pg/events/rules.hpp"

namespace specql {

// The rules (Rule*) of all enabled actions that listen to this custom event, in the order of their names; NIL if there
// are none. The handler of a window's or correlation's matches is among them only if it is that of `matched`, an
// action, or nullptr. Good until the next call that can process invalidations; the rules live to the end of the
// transaction.
List* listenersOf(const char* event, const char* matched);

// Has specql.pause stopped this action?
bool isPaused(const char* action);

void registerListenerInvalidation();
// Frees listeners that were replaced. Only to be called at the end of a transaction.
void freeOutdatedListeners();

}  // namespace specql
