#include "pg/base/locks.hpp"

#include "pg/bridge/entry.hpp"

extern "C" {
#include "storage/lock.h"
}

namespace specql {

namespace {

constexpr uint16 ownMethod = 3;  // pg_locks.objsubid; those of SQL are 1 and 2

struct NamedKind {
    const char* name;
    LockKind kind;
};
constexpr NamedKind kinds[] = {{"apply", LockKind::apply},   {"window", LockKind::window},
                               {"worker", LockKind::worker}, {"replay", LockKind::replay},
                               {"owner", LockKind::owner},   {"taking", LockKind::taking}};

LockKind kindOf(const char* name) {
    for (const NamedKind& named : kinds)
        if (strcmp(named.name, name) == 0) return named.kind;
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("there are no locks of kind \"%s\"", name)));
}

LOCKTAG tagOf(LockKind kind, uint32 number) {
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, static_cast<uint32>(kind), number, ownMethod);
    return tag;
}

}  // namespace

bool takeLock(LockKind kind, uint32 number, bool wait) {
    LOCKTAG tag = tagOf(kind, number);
    return LockAcquire(&tag, ExclusiveLock, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

bool holdLock(LockKind kind, uint32 number) {
    LOCKTAG tag = tagOf(kind, number);
    LockAcquireResult result = LockAcquire(&tag, ExclusiveLock, true, true);
    if (result == LOCKACQUIRE_ALREADY_HELD) LockRelease(&tag, ExclusiveLock, true);
    return result != LOCKACQUIRE_NOT_AVAIL;
}

bool isLockFree(LockKind kind, uint32 number) {
    LOCKTAG tag = tagOf(kind, number);
    if (LockAcquire(&tag, ShareLock, true, true) == LOCKACQUIRE_NOT_AVAIL) return false;
    LockRelease(&tag, ShareLock, true);
    return true;
}

// (kind, number, wait)
SPECQL_FUNCTION(specql_lock_number) {
    LockKind kind = kindOf(text_to_cstring(PG_GETARG_TEXT_PP(0)));
    PG_RETURN_BOOL(takeLock(kind, static_cast<uint32>(PG_GETARG_INT64(1)), PG_GETARG_BOOL(2)));
}

// (kind)
SPECQL_FUNCTION(specql_lock_class) {
    PG_RETURN_OID(static_cast<Oid>(kindOf(text_to_cstring(PG_GETARG_TEXT_PP(0)))));
}

}  // namespace specql
