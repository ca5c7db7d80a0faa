// Calls of the functions of a plan. Names are looked up, and their owner compared, each time.
#pragma once

#include "pg/base/server.hpp"

namespace specql::processes {

// Calls a step's function, or its undo: (uuid, jsonb, jsonb) returns jsonb. The result is 0 for NULL, in the current
// memory context.
Datum callStep(const char* name, Oid owner, const pg_uuid_t* process, Datum parameters, Datum results);
// Calls the function that a process keeps its record with: (uuid, text, jsonb, text) returns void. `error` is 0 for
// none.
void callRecord(const char* name, Oid owner, const pg_uuid_t* process, Datum status, Datum results, Datum error);

}  // namespace specql::processes
