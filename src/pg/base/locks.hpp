// Locks between sessions that no SQL of a user can take, so that nobody holds up others with pg_advisory_lock: advisory
// locks of a kind of their own. This is the only place that knows their numbers; SQL asks it (src/schema/05-locks.sql).
#pragma once

#include "pg/compat.hpp"

namespace specql {

// What is locked; beside it stands what the number of a lock says. The values are pg_locks.classid.
enum class LockKind : uint32 {
    apply = 0x5350514C,   // always 1
    window = 1397772631,  // the hash of its action's name
    worker = 1936749411,  // its number
    replay = 1936749412,  // the replay
    owner = 1936749413,   // the role that an owner worker works for
    taking = 1936749414,  // the hash of its service's name
};

// Until the transaction's end. False if another session has it and this one is not to wait.
bool takeLock(LockKind kind, uint32 number, bool wait);
// As long as the process lives, if nobody has it; false if somebody does. Taken again, it is held once.
bool holdLock(LockKind kind, uint32 number);
// Is it held by no session, or by this one? May be asked at any time in a transaction.
bool isLockFree(LockKind kind, uint32 number);

}  // namespace specql
