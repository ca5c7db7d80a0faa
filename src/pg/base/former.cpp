// C functions of earlier versions. CREATE EXTENSION … VERSION and pg_upgrade look their symbols up before the update
// script of the extension drops the SQL functions.
#include "pg/bridge/entry.hpp"
#include "pg/bridge/extension.hpp"

namespace specql {

namespace {

[[noreturn]] void refuseFormer() {
    requireMatchingVersion();
    elog(ERROR, "specql: a function of an earlier version was called");
}

}  // namespace

SPECQL_FUNCTION(specql_remove) {
    refuseFormer();
}

}  // namespace specql
