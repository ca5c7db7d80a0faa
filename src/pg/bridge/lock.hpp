// Locks between sessions that no SQL of a user can take, so that nobody holds up others with pg_advisory_lock: advisory
// locks of a kind of their own (SQL uses 1 and 2). They end with the transaction.
#pragma once

#include "pg/compat.hpp"

extern "C" {
#include "storage/lock.h"
}

namespace specql {

// What is locked. The numbers show in pg_locks.classid, where specql.replays looks for that of a replay.
enum class LockKind : uint32 {
    apply = 0x5350514C,
    window = 1397772631,
    worker = 1936749411,
    replay = 1936749412,
    owner = 1936749413,  // for whom an owner worker works: the role
};

inline LOCKTAG privateLock(LockKind kind, uint32 number) {
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, static_cast<uint32>(kind), number, 3);
    return tag;
}

// Until the transaction's end. False if another session has it and this one is not to wait.
inline bool takeLock(LockKind kind, uint32 number, bool wait) {
    LOCKTAG tag = privateLock(kind, number);
    return LockAcquire(&tag, ExclusiveLock, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

}  // namespace specql
