// Advisory locks that users cannot take with pg_advisory_lock(), because their locktag has another fourth field (3)
// than those of the SQL functions (1 and 2).
#pragma once

#include "pg/compat.hpp"

extern "C" {
#include "storage/lock.h"
}

namespace specql {

// The values are pg_locks.classid. The view specql.replays knows that of a replay.
enum class LockKind : uint32 {
    apply = 0x5350514C,
    window = 1397772631,
    worker = 1936749411,
    replay = 1936749412,
    owner = 1936749413,  // of an owner worker; the number is the OID of its role
};

// The tag of a lock; `number` is pg_locks.objid.
inline LOCKTAG privateLock(LockKind kind, uint32 number) {
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, static_cast<uint32>(kind), number, 3);
    return tag;
}

// Takes the lock until the end of the transaction. If another session has it, waits with `wait`, else returns false.
inline bool takeLock(LockKind kind, uint32 number, bool wait) {
    LOCKTAG tag = privateLock(kind, number);
    return LockAcquire(&tag, ExclusiveLock, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

}  // namespace specql
