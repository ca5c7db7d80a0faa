// Session locks, which a background worker holds as long as it lives: each worker that of its number, each owner worker
// that of its role.
#pragma once

#include "pg/bridge/lock.hpp"

namespace specql {

// Takes the lock if no other session has it; false if one does. Taking it again has no effect.
bool holdLock(LockKind kind, uint32 number);
// Does no other session hold the lock? Takes it for a moment, in share mode.
bool isLockFree(LockKind kind, uint32 number);

}  // namespace specql
