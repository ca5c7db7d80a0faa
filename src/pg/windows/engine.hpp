// Counts the events of a window or correlation.
#pragma once

#include "pg/windows/store.hpp"

namespace specql::windows {

// Takes the lock of an action's window until the end of the transaction, because one session at a time may count. If
// another session has it, waits with `wait`, else returns false. The name is UTF-8, as in all functions here.
bool lockWindow(const char* action, bool wait);

// Counts waiting events, and passes deadlines until `now`, up to `limit` of both together; returns how many. The caller
// must hold the lock of the window. Matches are written to specql.waiting_event or, for ownTransaction, handled at
// once.
int64_t evaluateWindow(const char* action, CountedEvents counted, time::Micros now, int64_t limit);

// For a rebuild: counts the events that this transaction has handed to the window, and discards the matches. Returns
// how many events were counted.
int64_t recountWindow(const char* action, time::Micros now);

}  // namespace specql::windows
