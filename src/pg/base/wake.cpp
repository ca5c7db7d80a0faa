#include "pg/base/wake.hpp"

#include "pg/base/background_worker.hpp"
#include "pg/base/locks.hpp"
#include "pg/base/worker_settings.hpp"
#include "pg/bridge/entry.hpp"

namespace specql {

namespace {

bool wanted = false;        // in this transaction
SubTransactionId wantedBy;  // the first subtransaction that wanted it; meaningless if none did
int ownPlace = 0;           // of this process, if it is a worker
int missing = 0;            // workers, when it was about to commit
TimestampTz lastStart = 0;  // of a worker, by this session
constexpr int restartSeconds = 5;

void registerWorkers(int count) {
    BackgroundWorker worker;
    describeWorker(&worker, MyDatabaseId, DatabasePath);
    for (int i = 0; i < count; ++i)
        (void)RegisterDynamicBackgroundWorker(&worker, nullptr);
}

bool placeIsFree(int place) {
    // One's own lock is in nobody's own way.
    return place != ownPlace && isFree(LockKind::worker, static_cast<uint32>(place));
}

// Runs after the commit, where nothing may fail: no locks, no memory.
void wakeOrStart() {
    if (settings::workerMode == settings::workerOff) return;
    compat::forBackgroundWorkers([](PGPROC* process) { SetLatch(&process->procLatch); });
    if (missing == 0) return;
    // Many sessions may find out at once that some are missing; those who find no place end at once.
    TimestampTz now = GetCurrentTimestamp();
    if (now - lastStart < USECS_PER_SEC) return;
    lastStart = now;
    registerWorkers(missing);
}

void forget() {
    wanted = false;
    missing = 0;
}

void atTransactionEvent(XactEvent event, void*) {
    if (!wanted) return;
    switch (event) {
        case XACT_EVENT_PRE_COMMIT:
            atBoundary([] { missing = settings::workerMode != settings::workerOff ? freeWorkerPlaces() : 0; });
            break;
        case XACT_EVENT_COMMIT:
            wakeOrStart();
            forget();
            break;
        case XACT_EVENT_PREPARE:
        case XACT_EVENT_ABORT: forget(); break;
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

int takeWorkerPlace() {
    for (int place = 1; place <= settings::workers; ++place) {
        if (holdLock(LockKind::worker, static_cast<uint32>(place))) return ownPlace = place;
    }
    return 0;
}

int freeWorkerPlaces() {
    int count = 0;
    for (int place = 1; place <= settings::workers; ++place)
        count += placeIsFree(place) ? 1 : 0;
    return count;
}

void startMissingWorkers() {
    registerWorkers(freeWorkerPlaces());
}

void registerWakeCallbacks() {
    RegisterXactCallback(atTransactionEvent, nullptr);
    RegisterSubXactCallback(atSubtransactionEvent, nullptr);
}

SPECQL_FUNCTION(specql_wake_worker)
{
    wakeWorkerAtCommit();
    PG_RETURN_VOID();
}

namespace {

// Waits until it runs. The first worker must have a slot; the others take what there is.
void startWorker(bool required) {
    BackgroundWorker worker;
    describeWorker(&worker, MyDatabaseId, DatabasePath);
    worker.bgw_notify_pid = MyProcPid;
    BackgroundWorkerHandle* handle;
    if (!RegisterDynamicBackgroundWorker(&worker, &handle)) {
        if (!required) return;
        ereport(ERROR,
                (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED), errmsg("there is no slot for a background worker"),
                 errhint("Raise max_worker_processes, which is %d, and restart the server; until then "
                         "specql.drain() does its work.",
                         max_worker_processes)));
    }
    pid_t pid;
    if (WaitForBackgroundWorkerStartup(handle, &pid) != BGWH_STARTED)
        ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("the background worker did not start"),
                        errhint("The server's log says why.")));
}

}  // namespace

SPECQL_FUNCTION(specql_start_workers)
{
    if (settings::workerMode == settings::workerOff)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("specql.worker is off"),
                        errhint("Set it to auto or on first, with ALTER SYSTEM or ALTER DATABASE.")));
    if (RecoveryInProgress())
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("this server is a standby"),
                        errhint("The primary's worker delivers; this server's will after a promotion.")));
    int missing = freeWorkerPlaces();
    for (int i = 0; i < missing; ++i)
        startWorker(i == 0 && missing == settings::workers);
    // They serve from the moment they have their places.
    for (int i = 0; missing > 0 && i < 100 && freeWorkerPlaces() > 0; ++i) {
        CHECK_FOR_INTERRUPTS();
        pg_usleep(20 * 1000);
    }
    PG_RETURN_VOID();
}

}  // namespace specql
