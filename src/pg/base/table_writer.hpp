// Writes rows of the extension's own tables through the table access method, without SQL. Indexes are updated, but
// triggers, defaults, constraints and row security are ignored: the caller must write rows that satisfy them.
#pragma once

#include "pg/base/server.hpp"

namespace specql {

struct BulkWriter;

// Opens a table of schema specql for about `expected` rows. The writer lives in a child of the current memory context;
// after an error it must not be used.
BulkWriter* openWriter(const char* table, int64_t expected);
// The next row, with NULL in all columns, to be filled and then written by writeRow().
TupleTableSlot* nextRow(BulkWriter* writer);
// Sets a column, counted from 0, of a row of nextRow(); the value must live until writeRow().
inline void setColumn(TupleTableSlot* row, int column, Datum value) {
    row->tts_values[column] = value;
    row->tts_isnull[column] = false;
}
// Copies the row that nextRow() gave last.
void writeRow(BulkWriter* writer);
// Writes what is left, makes it visible to the next command, and closes the table.
void closeWriter(BulkWriter* writer);

}  // namespace specql
