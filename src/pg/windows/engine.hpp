// Counting what waits for a window or correlation.
#pragma once

#include "pg/windows/store.hpp"

namespace specql::windows {

// Waits for its turn if `wait`; else false if another session is at work.
bool lockWindow(const char* action, bool wait);

// Counts the events that wait, those that may be counted, and passes deadlines, up to `limit` of both; how many. The
// caller has the window's lock.
int64_t evaluateWindow(const char* action, Counted counted, time::Micros now, int64_t limit);

// A rebuild: counts the events that this transaction has handed to the window; matches run no steps.
int64_t recountWindow(const char* action, time::Micros now);

}  // namespace specql::windows
