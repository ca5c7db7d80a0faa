// Custom events that are raised later.
#pragma once

#include "pg/base/server.hpp"

namespace specql::handling {

// Keeps an event in specql.later_event, with what caused it, until its time.
void keepForLater(const char* type, const pg_uuid_t* id, Datum payload, TimestampTz due);

}  // namespace specql::handling
