// The clock of events, windows and retries: the server's, moved by specql.clock_offset.
#pragma once

#include "pg/base/event_settings.hpp"
#include "pg/base/server.hpp"

namespace specql {

// The current time by that clock, not the start of the transaction.
inline TimestampTz engineTime() {
    return GetCurrentTimestamp() + settings::clockOffset;
}

constexpr double longestWait = 366 * 24 * 3600.0;  // seconds

// The time after another. An error unless it is from 0 to 366 days later; `function` is the SQL function for its text.
TimestampTz timeAfter(TimestampTz now, const Interval* after, const char* function);

}  // namespace specql
