// The clock of events, windows and retries: the server's, moved by specql.clock_offset.
#pragma once

#include "pg/base/event_settings.hpp"
#include "pg/base/server.hpp"

namespace specql {

// The current time by that clock, not the start of the transaction.
inline TimestampTz engineTime() {
    return GetCurrentTimestamp() + settings::clockOffset;
}

}  // namespace specql
