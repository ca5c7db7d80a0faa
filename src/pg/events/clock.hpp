// The clock of events, windows and retries: the server's, moved by specql.clock_offset.
#pragma once

#include "pg/events/server.hpp"
#include "pg/events/settings.hpp"

namespace specql {

inline TimestampTz engineTime() {
    return GetCurrentTimestamp() + settings::clockOffset;
}

}  // namespace specql
