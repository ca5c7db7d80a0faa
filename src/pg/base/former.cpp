// Functions that the catalog of an earlier version names. CREATE EXTENSION … VERSION and pg_upgrade want them to be
// there; the update of the extension forgets them.
#include "pg/bridge/entry.hpp"
#include "pg/bridge/extension.hpp"

namespace specql {

namespace {

[[noreturn]] void refuseFormer() {
    requireMatchingVersion();
    elog(ERROR, "specql: a function of an earlier version was called");
}

}  // namespace

SPECQL_FUNCTION(specql_remove)
{ refuseFormer(); }

}  // namespace specql
