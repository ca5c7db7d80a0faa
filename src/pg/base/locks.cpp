#include "pg/base/locks.hpp"

namespace specql {

bool holdLock(LockKind kind, uint32 number) {
    LOCKTAG tag = privateLock(kind, number);
    LockAcquireResult result = LockAcquire(&tag, ExclusiveLock, true, true);
    if (result == LOCKACQUIRE_ALREADY_HELD) LockRelease(&tag, ExclusiveLock, true);
    return result != LOCKACQUIRE_NOT_AVAIL;
}

bool isLockFree(LockKind kind, uint32 number) {
    LOCKTAG tag = privateLock(kind, number);
    if (LockAcquire(&tag, ShareLock, true, true) == LOCKACQUIRE_NOT_AVAIL) return false;
    LockRelease(&tag, ShareLock, true);
    return true;
}

}  // namespace specql
