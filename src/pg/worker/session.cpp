#include "pg/worker/session.hpp"

namespace specql::worker {

namespace {

constexpr int lookMs = 1000;  // while idle, between checks whether somebody wants to drop the database

}  // namespace

int64_t queryNumber(const char* sql) {
    int code = SPI_execute(sql, false, 1);
    if (code < 0) elog(ERROR, "specql: %s gave %s", sql, SPI_result_code_string(code));
    if (SPI_processed == 0) return -1;
    bool isNull;
    Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isNull);
    if (isNull) return -1;
    return SPI_gettypeid(SPI_tuptable->tupdesc, 1) == INT4OID ? DatumGetInt32(value) : DatumGetInt64(value);
}

bool lockExtension() {
    Oid extension = get_extension_oid("specql", true);
    if (!OidIsValid(extension)) return false;
    LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
    return OidIsValid(get_extension_oid("specql", true));
}

bool isDatabaseLocked() {
    LOCKTAG tag;
    SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, MyDatabaseId, 0);
    if (LockAcquire(&tag, RowExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL) return true;
    LockRelease(&tag, RowExclusiveLock, true);
    return false;
}

bool sleepUntilWork(int64_t ms) {
    TimestampTz until = later(Min(ms, 3600 * 1000));
    for (;;) {
        int64_t left = millisecondsUntil(until);
        int events =
            WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, Min(left, lookMs), PG_WAIT_EXTENSION);
        if (events & WL_LATCH_SET) return true;
        if (isDatabaseLocked()) return false;
        if (left <= lookMs) return true;
    }
}

void endWithPostmaster() {
    if (!PostmasterIsAlive()) proc_exit(1);
}

void setUpSession() {
    if (synchronous_commit < SYNCHRONOUS_COMMIT_REMOTE_FLUSH && synchronous_commit != SYNCHRONOUS_COMMIT_LOCAL_FLUSH)
        SetConfigOption("synchronous_commit", "local", PGC_USERSET, PGC_S_OVERRIDE);
    SetConfigOption("jit", "off", PGC_USERSET, PGC_S_OVERRIDE);
    SetConfigOption("default_transaction_read_only", "off", PGC_USERSET, PGC_S_OVERRIDE);
    SetConfigOption("default_transaction_isolation", "read committed", PGC_USERSET, PGC_S_OVERRIDE);
    // Without a lock timeout one transaction that waits for a lock would delay all others.
    if (LockTimeout == 0) SetConfigOption("lock_timeout", "10s", PGC_USERSET, PGC_S_OVERRIDE);
}

}  // namespace specql::worker
