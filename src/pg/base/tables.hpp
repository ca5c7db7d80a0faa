// The OIDs of the extension's own tables, looked up once per backend.
#pragma once

#include "pg/base/server.hpp"

namespace specql {

// The OID of table specql.<name>; an error if it does not exist. `name` must be a literal: it is compared as a pointer.
Oid tableOid(const char* name);

// Once per backend, when the library is loaded.
void registerTableInvalidation();

}  // namespace specql
