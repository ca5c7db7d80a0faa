// Writes rows of the extension's own tables through the table access method, without SQL. For tables whose constraints
// the caller obeys by construction: no triggers, defaults, checks or row security are looked at; indexes are kept.
#pragma once

#include "pg/base/server.hpp"

namespace specql {

struct BulkWriter;

// Opens a table of schema specql for about `expected` rows. The writer is gone after an error.
BulkWriter* openWriter(const char* table, int64_t expected);
// The next row, cleared, to be filled in (tts_values, tts_isnull) and then given to writeRow. All columns start as
// NULL.
TupleTableSlot* nextRow(BulkWriter* writer);
// Copies the values, so they need not outlive the call.
void writeRow(BulkWriter* writer);
// Writes what is left, makes it visible to the next command, and closes the table.
void closeWriter(BulkWriter* writer);

// The attribute number minus one of a column of the writer's table; an error if there is none.
int columnOf(BulkWriter* writer, const char* name);

}  // namespace specql
