#include "pg/base/standby.hpp"

#include "pg/base/background_worker.hpp"
#include "pg/base/worker_settings.hpp"
#include "pg/bridge/entry.hpp"

extern "C" {
#include "replication/syncrep.h"
#include "replication/walsender_private.h"
#include "storage/lwlock.h"
}

namespace specql {

namespace {

bool waitsForStandby() {
    if (settings::deliverAfter != settings::deliverAfterAuto)
        return settings::deliverAfter == settings::deliverReplicated;
    return SyncRepStandbyNames != nullptr && SyncRepStandbyNames[0] != '\0';
}

}  // namespace

XLogRecPtr ownPosition() {
    return compat::flushedPosition();
}

// The position that senders of WAL keep for COMMIT: what the standbys have flushed, of which synchronous_standby_names
// wants so many.
bool isSafe(XLogRecPtr position) {
    if (!waitsForStandby()) return true;
    LWLockAcquire(SyncRepLock, LW_SHARED);
    XLogRecPtr replicated = WalSndCtl->lsn[SYNC_REP_WAIT_FLUSH];
    LWLockRelease(SyncRepLock);
    return replicated >= position;
}

// Do calls wait for a standby, by the settings of this session?
SPECQL_FUNCTION(specql_waits_for_standby) {
    PG_RETURN_BOOL(waitsForStandby());
}

}  // namespace specql
