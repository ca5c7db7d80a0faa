// What the events of a table do not carry of its rows: private columns, and those that its spec does not declare.
//
// The arguments of its trigger specql_capture say so, each a word and a column: 'private password', 'declared name'. If
// any is declared, only those are carried. So it is kept with the table, in every dump of it, and its owner decides;
// all actions of the table, whatever their texts, have it in common.
#pragma once

#include "pg/base/server.hpp"

namespace specql::capture {

// Reasons in the note of an image.
constexpr char reasonPrivate[] = "private";
constexpr char reasonUndeclared[] = "not declared";
constexpr char reasonUnknown[] = "a private column of the table has another name now";
// The key in the note that stands for every column that the image does not have.
constexpr char everyOther[] = "*";

struct Withheld {
    const bool* columns;  // by number, from 0; nullptr if all are carried
    Jsonb* note;          // what is noted in each image; nullptr if all are carried
};

// Columns of the primary key are always carried. If a column that was private cannot be found, nothing else is. In the
// current memory context.
Withheld withheldFrom(Relation relation);

inline bool isWithheld(const Withheld& withheld, int column) {
    return withheld.columns != nullptr && withheld.columns[column];
}

}  // namespace specql::capture
