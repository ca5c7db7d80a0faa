// What an event carries of a changed row: the images of its old and its new row, as JSON. No error in making them
// reaches the statement that changed the row: a value that cannot be carried is left out, and its image says so.
#pragma once

#include "pg/capture/table_listeners.hpp"

namespace specql::capture {

// How the `data` of a capture function is made for one operation.
struct RowImages;

// For `data`, planned for the operation; nullptr stands for the images of all rows. In the current memory context.
RowImages* compileImages(Expr* data, Operation operation, Relation relation);
// Is one of these columns in no image?
bool areWithheld(const RowImages* images, const ColumnsRead& columns);
// The images of all rows that the operation has, for an action without a usable capture function.
RowImages* imagesOfRows(Operation operation, Relation relation);

// The data of an event (jsonb; 0 for NULL), in the context for one row. If it is larger than specql.max_event_size, or
// raises an error, the images are made column by column: the largest values are left out until the rest fits, those of
// the primary key last, and so is each value that cannot be written as JSON. Only errors that must end the statement
// (cancel, no memory) are raised.
Datum makeImages(const RowImages* images, ExprContext* evaluation);

}  // namespace specql::capture
