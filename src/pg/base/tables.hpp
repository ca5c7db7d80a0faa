// The extension's own tables, where they are read without SQL. Their OIDs are looked up once per backend.
#pragma once

#include "pg/base/server.hpp"

namespace specql {

// The OID of table specql.<name>; an error if it does not exist. `name` must be a literal: it is compared as a pointer.
Oid tableOid(const char* name);

// The text in a column of a row, in the current memory context; nullptr for NULL.
const char* textAt(HeapTuple row, TupleDesc descriptor, const char* column);

// Once per backend, when the library is loaded.
void registerTableInvalidation();

}  // namespace specql
