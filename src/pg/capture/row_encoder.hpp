// Row images, made straight from the columns of a row: byte for byte what to_jsonb() would make of the row, without its
// look-ups of each column's type and its sort of the keys.
#pragma once

#include "pg/capture/carried.hpp"
#include "pg/capture/json_writer.hpp"

namespace specql::capture {

// What is known of a table's columns before there is a row.
struct RowEncoder;

// Is the column one that the images of its table have?
bool isImaged(Form_pg_attribute column, const Withheld& withheld);

// In the current memory context, which has to live as long as the result. It holds as long as the table, the types of
// its columns and their casts stay what they are. What is withheld is not written, and noted in each image.
RowEncoder* makeRowEncoder(TupleDesc columns, const Withheld& withheld);

// The columns of a row, as in a slot.
struct RowValues {
    Datum* values;
    bool* nulls;
    const bool* chosen;  // those that the image has, which then has no note; nullptr: all
};

// Writes the image of a row. What it allocates besides is in the current memory context. Raises what to_jsonb() raises.
JEntry writeRow(JsonWriter* json, RowEncoder* encoder, const RowValues* row);

}  // namespace specql::capture
