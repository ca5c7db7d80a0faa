#include "pg/worker/wake.hpp"

#include "pg/bridge/entry.hpp"
#include "pg/worker/server.hpp"
#include "pg/worker/settings.hpp"

namespace specql {

namespace {

bool wanted = false;        // in this transaction
SubTransactionId wantedBy;  // the first subtransaction that wanted it; meaningless if none did
bool missing = false;       // no worker ran when it was about to commit
TimestampTz lastStart = 0;  // of a worker, by this session
constexpr int restartSeconds = 5;

// A kind of advisory lock that SQL cannot take (it uses 1 and 2), so that nobody is in the worker's way by accident.
// specql.worker_pid() in 50-deliveries.sql knows these numbers.
LOCKTAG placeTag() {
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 1936749411, 1, 3);
    return tag;
}

// Runs after the commit, where nothing may fail: no locks, no memory.
void wakeOrStart() {
    if (settings::workerMode == settings::workerOff) return;
    compat::forBackgroundWorkers([](PGPROC* process) { SetLatch(&process->procLatch); });
    if (!missing) return;
    // Many sessions may find out at once that there is none; all but one of their workers end at once.
    TimestampTz now = GetCurrentTimestamp();
    if (now - lastStart < USECS_PER_SEC) return;
    lastStart = now;
    BackgroundWorker worker;
    describeWorker(&worker, MyDatabaseId, DatabasePath);
    (void)RegisterDynamicBackgroundWorker(&worker, nullptr);
}

void atTransactionEvent(XactEvent event, void*) {
    if (!wanted) return;
    switch (event) {
        case XACT_EVENT_PRE_COMMIT:
            atBoundary([] { missing = settings::workerMode != settings::workerOff && !workerRuns(); });
            break;
        case XACT_EVENT_COMMIT:
            wakeOrStart();
            wanted = missing = false;
            break;
        case XACT_EVENT_PREPARE:
        case XACT_EVENT_ABORT: wanted = missing = false; break;
        default: break;
    }
}

// What a subtransaction queued is gone with it. One that ends with an error takes all later ones along: they were its
// own.
void atSubtransactionEvent(SubXactEvent event, SubTransactionId mine, SubTransactionId, void*) {
    if (event == SUBXACT_EVENT_ABORT_SUB && wanted && mine <= wantedBy) wanted = false;
}

}  // namespace

void describeWorker(BackgroundWorker* worker, Oid database, const char* directory) {
    memset(worker, 0, sizeof *worker);
    worker->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    worker->bgw_start_time = BgWorkerStart_RecoveryFinished;
    // After a crash of the server it comes back; when it ends by itself it does not.
    worker->bgw_restart_time = restartSeconds;
    worker->bgw_main_arg = ObjectIdGetDatum(database);
    strlcpy(worker->bgw_library_name, "specql", sizeof worker->bgw_library_name);
    strlcpy(worker->bgw_function_name, "specql_worker_main", sizeof worker->bgw_function_name);
    strlcpy(worker->bgw_type, "specql worker", sizeof worker->bgw_type);
    snprintf(worker->bgw_name, sizeof worker->bgw_name, "specql worker for database %u", database);
    strlcpy(worker->bgw_extra, directory, sizeof worker->bgw_extra);
}

void wakeWorkerAtCommit() {
    if (wanted) return;
    wanted = true;
    wantedBy = GetCurrentSubTransactionId();
}

bool lockWorkerPlace() {
    LOCKTAG tag = placeTag();
    return LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
}

void unlockWorkerPlace() {
    LOCKTAG tag = placeTag();
    LockRelease(&tag, ExclusiveLock, true);
}

bool workerRuns() {
    LOCKTAG tag = placeTag();
    if (LockAcquire(&tag, ShareLock, true, true) == LOCKACQUIRE_NOT_AVAIL) return true;
    LockRelease(&tag, ShareLock, true);
    return false;
}

void registerWakeCallbacks() {
    RegisterXactCallback(atTransactionEvent, nullptr);
    RegisterSubXactCallback(atSubtransactionEvent, nullptr);
}

SPECQL_FUNCTION(specql_wake_worker) {
    wakeWorkerAtCommit();
    PG_RETURN_VOID();
}

SPECQL_FUNCTION(specql_start_worker) {
    if (settings::workerMode == settings::workerOff)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("specql.worker is off"),
                        errhint("Set it to auto or on first, with ALTER SYSTEM or ALTER DATABASE.")));
    if (!workerRuns()) {
        BackgroundWorker worker;
        describeWorker(&worker, MyDatabaseId, DatabasePath);
        worker.bgw_notify_pid = MyProcPid;
        BackgroundWorkerHandle* handle;
        if (!RegisterDynamicBackgroundWorker(&worker, &handle))
            ereport(ERROR,
                    (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED), errmsg("there is no slot for a background worker"),
                     errhint("Raise max_worker_processes, which is %d, and restart the server; until then "
                             "specql.drain() does its work.",
                             max_worker_processes)));
        pid_t pid;
        if (WaitForBackgroundWorkerStartup(handle, &pid) != BGWH_STARTED)
            ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("the background worker did not start"),
                            errhint("The server's log says why.")));
        // It serves from the moment it has its place.
        for (int i = 0; i < 100 && !workerRuns(); ++i) {
            CHECK_FOR_INTERRUPTS();
            pg_usleep(20 * 1000);
        }
    }
    int32 pid = 0;
    compat::forBackgroundWorkers([&pid](PGPROC* process) { pid = process->pid; });
    PG_RETURN_INT32(pid);
}

}  // namespace specql
