// The OIDs of the extension's own tables, looked up once per backend.
#pragma once

#include "pg/base/server.hpp"

namespace specql {

// The OID of table specql.<name>; an error if it does not exist. `name` must be a string that lives for ever.
Oid tableOid(const char* name);

void registerTableInvalidation();

}  // namespace specql
