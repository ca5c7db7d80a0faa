// The note in a row image about the values that it does not have.
#pragma once

#include "pg/base/server.hpp"

namespace specql::capture {

// The key of the note, an object: column → why its value was left out.
constexpr char omittedKey[] = "specql.omitted";

// The columns of the old and the new row that expressions read; column 0 stands for the whole row.
struct ColumnsRead {
    Bitmapset* old;
    Bitmapset* fresh;
};
// Adds the columns that a planned expression reads: its Vars of INNER_VAR and OUTER_VAR.
void addColumnsRead(Node* expression, ColumnsRead* columns);

// Has no image in the data of an event such a note? `butWithheld`: or only of what events of the table never carry.
bool carriesAll(Jsonb* data, bool butWithheld);

// Raises SQ208 if the image of a row (an object; nullptr is one that there is not) was made without a value of these
// columns. `row` is "old" or "new".
void requireCarried(Jsonb* image, const char* row, Relation relation, const Bitmapset* columns);
// The same for any column. `about` is the error's detail, or nullptr.
void requireWhole(Jsonb* image, const char* row, const char* about);
// Raises SQ208 if `key` of the object was left out.
void requireKeyCarried(Jsonb* object, const char* key);

}  // namespace specql::capture
