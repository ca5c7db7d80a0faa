// specql.lock_number(kind, number, wait): takes a lock of bridge/lock.hpp, for SQL functions that run as the
// extension's owner.
#include "pg/bridge/entry.hpp"
#include "pg/bridge/lock.hpp"

namespace specql {

SPECQL_FUNCTION(specql_lock_number)
{
    const char* kind = text_to_cstring(PG_GETARG_TEXT_PP(0));
    auto number = static_cast<uint32>(PG_GETARG_INT64(1));
    bool isWindow = strcmp(kind, "window") == 0;
    if (!isWindow && strcmp(kind, "replay") != 0)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("there are no locks of kind \"%s\"", kind)));
    PG_RETURN_BOOL(takeLock(isWindow ? LockKind::window : LockKind::replay, number, PG_GETARG_BOOL(2)));
}

}  // namespace specql
