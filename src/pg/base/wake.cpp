#include "pg/base/wake.hpp"

#include "pg/base/background_worker.hpp"
#include "pg/base/locks.hpp"
#include "pg/base/worker_settings.hpp"
#include "pg/bridge/entry.hpp"

namespace specql {

namespace {

bool wakeWanted = false;        // wakeWorkerAtCommit() was called in this transaction
SubTransactionId wakeWantedBy;  // the first subtransaction that called it; valid with wakeWanted
int ownNumber = 0;              // the number of this process, if it is a worker
int missingWorkers = 0;         // counted before the commit
TimestampTz lastStart = 0;      // when this session last started a worker
constexpr int restartSeconds = 5;

void registerWorkers(int count) {
    BackgroundWorker worker;
    describeWorker(&worker, MyDatabaseId, DatabasePath);
    for (int i = 0; i < count; ++i)
        (void)RegisterDynamicBackgroundWorker(&worker, nullptr);
}

bool isNumberFree(int number) {
    // A process does not conflict with its own lock.
    return number != ownNumber && isLockFree(LockKind::worker, static_cast<uint32>(number));
}

// Runs after the commit, where errors cannot be handled: it takes no lock and allocates nothing that could fail.
void wakeOrStart() {
    if (settings::workerMode == settings::workerOff) return;
    compat::forBackgroundWorkers([](PGPROC* process) { SetLatch(&process->procLatch); });
    if (missingWorkers == 0) return;
    // Many sessions may start workers at the same time; those that find no free number end at once.
    TimestampTz now = GetCurrentTimestamp();
    if (now - lastStart < USECS_PER_SEC) return;
    lastStart = now;
    registerWorkers(missingWorkers);
}

void forget() {
    wakeWanted = false;
    missingWorkers = 0;
}

void atTransactionEvent(XactEvent event, void*) {
    if (!wakeWanted) return;
    switch (event) {
        case XACT_EVENT_PRE_COMMIT:
        case XACT_EVENT_PRE_PREPARE:
            atBoundary(
                [] { missingWorkers = settings::workerMode != settings::workerOff ? countMissingWorkers() : 0; });
            break;
        case XACT_EVENT_COMMIT:
        case XACT_EVENT_PREPARE:  // while there is a prepared transaction, the worker looks often
            wakeOrStart();
            forget();
            break;
        case XACT_EVENT_ABORT: forget(); break;
        default: break;
    }
}

// An aborted subtransaction has undone what it queued. The first one that called wakeWorkerAtCommit() may be a child of
// it that has committed, which then has a higher id.
void atSubtransactionEvent(SubXactEvent event, SubTransactionId mine, SubTransactionId, void*) {
    if (event == SUBXACT_EVENT_ABORT_SUB && wakeWanted && mine <= wakeWantedBy) wakeWanted = false;
}

}  // namespace

void describeWorker(BackgroundWorker* worker, Oid database, const char* directory) {
    memset(worker, 0, sizeof *worker);
    worker->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    worker->bgw_start_time = BgWorkerStart_RecoveryFinished;
    // The postmaster restarts it after a crash of the server, but not after exit code 0.
    worker->bgw_restart_time = restartSeconds;
    worker->bgw_main_arg = ObjectIdGetDatum(database);
    strlcpy(worker->bgw_library_name, "specql", sizeof worker->bgw_library_name);
    strlcpy(worker->bgw_function_name, "specql_worker_main", sizeof worker->bgw_function_name);
    strlcpy(worker->bgw_type, "specql worker", sizeof worker->bgw_type);
    snprintf(worker->bgw_name, sizeof worker->bgw_name, "specql worker for database %u", database);
    strlcpy(worker->bgw_extra, directory, sizeof worker->bgw_extra);
}

void wakeWorkerAtCommit() {
    if (wakeWanted) return;
    wakeWanted = true;
    wakeWantedBy = GetCurrentSubTransactionId();
}

int takeWorkerNumber() {
    for (int number = 1; number <= settings::workers; ++number) {
        if (!holdLock(LockKind::worker, static_cast<uint32>(number))) continue;
        ownNumber = number;
        return number;
    }
    return 0;
}

int countMissingWorkers() {
    int count = 0;
    for (int number = 1; number <= settings::workers; ++number)
        count += isNumberFree(number) ? 1 : 0;
    return count;
}

void startMissingWorkers() {
    registerWorkers(countMissingWorkers());
}

void registerWakeCallbacks() {
    RegisterXactCallback(atTransactionEvent, nullptr);
    RegisterSubXactCallback(atSubtransactionEvent, nullptr);
}

SPECQL_FUNCTION(specql_wake_worker) {
    wakeWorkerAtCommit();
    PG_RETURN_VOID();
}

namespace {

// Starts a worker and waits until it runs. If the server has no free slot for it, that is an error if it is `required`.
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

SPECQL_FUNCTION(specql_start_workers) {
    if (settings::workerMode == settings::workerOff)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("specql.worker is off"),
                        errhint("Set it to auto or on first, with ALTER SYSTEM or ALTER DATABASE.")));
    if (RecoveryInProgress())
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("this server is a standby"),
                        errhint("The primary's worker delivers; this server's will after a promotion.")));
    int missingWorkers = countMissingWorkers();
    for (int i = 0; i < missingWorkers; ++i)
        startWorker(i == 0 && missingWorkers == settings::workers);
    // A worker serves as soon as it holds the lock of its number.
    for (int i = 0; missingWorkers > 0 && i < 100 && countMissingWorkers() > 0; ++i) {
        CHECK_FOR_INTERRUPTS();
        pg_usleep(20 * 1000);
    }
    PG_RETURN_VOID();
}

}  // namespace specql
