// What of a renamed_from is there, and the former names that are kept.
#pragma once

#include "model/rename.hpp"
#include "pg/compat.hpp"

namespace specql::catalog {

void answerRename(const RenameQuestion& question, RenameAnswer* answer);

// Of a column keeps the former names, by which images of rows of the past know it, if the caller has the rights of the
// table's owner.
void recordFormerNames(const RenameQuestion& question, Oid caller);

}  // namespace specql::catalog
