#include "pg/worker/locks.hpp"

#include "pg/worker/server.hpp"

namespace specql {

namespace {

LOCKTAG tagOf(Lock lock, uint32_t number) {
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, static_cast<uint32_t>(lock), number, 3);
    return tag;
}

}  // namespace

bool takeLock(Lock lock, uint32_t number) {
    LOCKTAG tag = tagOf(lock, number);
    LockAcquireResult result = LockAcquire(&tag, ExclusiveLock, true, true);
    if (result == LOCKACQUIRE_ALREADY_HELD) LockRelease(&tag, ExclusiveLock, true);
    return result != LOCKACQUIRE_NOT_AVAIL;
}

bool isFree(Lock lock, uint32_t number) {
    LOCKTAG tag = tagOf(lock, number);
    if (LockAcquire(&tag, ShareLock, true, true) == LOCKACQUIRE_NOT_AVAIL) return false;
    LockRelease(&tag, ShareLock, true);
    return true;
}

bool lockForTransaction(Lock lock, uint32_t number, bool wait) {
    LOCKTAG tag = tagOf(lock, number);
    return LockAcquire(&tag, ExclusiveLock, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

}  // namespace specql
