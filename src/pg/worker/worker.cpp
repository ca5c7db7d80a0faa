// The worker's main loop. A database has specql.workers of them: each holds the lock of its place as long as it lives.
//
//   round:   one transaction writes down what ended, sends notifications and claims calls (synchronous commit: a claim
//            must survive whatever happens after the call); others run handlers again, and count the events of windows
//   between: libcurl works on the calls; no snapshot and no lock on a row is held while a socket is open
//   idle:    it sleeps until its latch is set, or something is due, or the poll interval is over
#include "pg/worker/worker.hpp"

#include <sys/stat.h>

#include "pg/bridge/entry.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/events/settings.hpp"
#include "pg/worker/courier.hpp"
#include "pg/worker/launcher.hpp"
#include "pg/worker/settings.hpp"
#include "pg/worker/wake.hpp"

namespace specql {

namespace {

constexpr int idleSeconds = 60;  // after which a worker that was not told to stay ends
constexpr int flushMs = 10;      // results wait so long for others to be written down with
constexpr int carryMs = 20;      // between looks at the latch while calls are under way
constexpr int restMs = 20;       // from a round that found nothing to the next: one serves all commits in between
constexpr int lookMs = 1000;     // between looks at who wants to drop the database, while idle
constexpr int stopMs = 3000;     // for calls under way to end, when the worker must
constexpr int afterErrorMs = 1000;
constexpr int housekeepingMs = 5 * 60 * 1000;

volatile sig_atomic_t stopping = false;
volatile sig_atomic_t runsHandlers = false;

void atTerminate(int signal) {
    int saved = errno;
    if (runsHandlers) {
        // Code of users may run for long: it is undone, so that calls under way still get their moment. Code that
        // holds out against that does not survive a second signal.
        if (stopping) die(signal);
        InterruptPending = QueryCancelPending = true;
    }
    stopping = true;
    SetLatch(MyLatch);
    errno = saved;
}

// ---- the state between transactions -------------------------------------------------------------------------------

struct Worker {
    int place;  // from 1
    Courier* courier;
    MemoryContext round;  // claims of the current one
    Claims claims;
    int notified;  // in the last round
    int retried;
    int64_t counted;          // events that windows took in
    TimestampTz functionsAt;  // when to look next for functions that exist by now
    int64_t dueMs;            // until something is due; -1 if nothing waits
    bool gone;                // the extension is
};

TimestampTz later(int ms) {
    return GetCurrentTimestamp() + static_cast<int64_t>(ms) * 1000;
}

int64_t millisecondsUntil(TimestampTz time) {
    int64_t left = (time - GetCurrentTimestamp()) / 1000;
    return left > 0 ? left : 0;
}

// ---- transactions -------------------------------------------------------------------------------------------------

// Runs `body` in a transaction with SPI. An error is logged and undone; false then. `body` holds plain data only.
template <typename Body>
bool inTransaction(const char* what, Body&& body) {
    volatile bool good = true;
    pgstat_report_activity(STATE_RUNNING, what);
    PG_TRY();
    {
        SetCurrentStatementStartTimestamp();
        StartTransactionCommand();
        PushActiveSnapshot(GetTransactionSnapshot());
        SPI_connect();
        body();
        SPI_finish();
        PopActiveSnapshot();
        CommitTransactionCommand();
    }
    PG_CATCH();
    {
        HOLD_INTERRUPTS();
        EmitErrorReport();
        AbortCurrentTransaction();
        FlushErrorState();
        RESUME_INTERRUPTS();
        good = false;
    }
    PG_END_TRY();
    pgstat_report_activity(STATE_IDLE, nullptr);
    return good;
}

// The first number that a query gives; -1 for NULL or no row.
int64_t number(const char* sql) {
    int code = SPI_execute(sql, false, 1);
    if (code < 0) elog(ERROR, "specql: %s gave %s", sql, SPI_result_code_string(code));
    if (SPI_processed == 0) return -1;
    bool isNull;
    Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isNull);
    if (isNull) return -1;
    return SPI_gettypeid(SPI_tuptable->tupdesc, 1) == INT4OID ? DatumGetInt32(value) : DatumGetInt64(value);
}

// Until the end of the transaction it stays there: whoever drops it and this worker do not meet halfway through its
// tables, each waiting for the other.
bool extensionIsThere(Worker* worker) {
    Oid extension = get_extension_oid("specql", true);
    if (OidIsValid(extension)) {
        LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
        extension = get_extension_oid("specql", true);
    }
    worker->gone = !OidIsValid(extension);
    return !worker->gone;
}

bool exchange(Worker* worker) {
    return inTransaction("specql deliveries", [worker] {
        if (!extensionIsThere(worker)) return;
        worker->courier->record();
        worker->notified = stopping ? 0 : worker->courier->sendNotifications(1000);
        MemoryContextSwitchTo(worker->round);
        worker->claims = {nullptr, 0};
        if (!stopping) worker->claims = worker->courier->claim(Max(settings::batchSize, settings::maxConcurrency));
    });
}

// A transaction that runs code of users, which SIGTERM cancels.
template <typename Body>
bool inHandlersTransaction(const char* what, Body&& body) {
    runsHandlers = true;
    bool good = !stopping && inTransaction(what, body);
    runsHandlers = false;
    QueryCancelPending = false;
    return good;
}

// Failed events, and calls of functions that exist by now.
bool runHandlers(Worker* worker) {
    bool looks = GetCurrentTimestamp() >= worker->functionsAt;
    if (looks) worker->functionsAt = later(settings::pollInterval);
    return inHandlersTransaction("specql handlers", [worker, looks] {
        worker->retried = 0;
        if (!extensionIsThere(worker)) return;
        char* sql = psprintf(
            "SELECT CASE WHEN EXISTS (SELECT FROM specql.failure AS f"
            " WHERE f.status = 'failed' AND f.next_attempt_at <= specql.clock())"
            " OR EXISTS (SELECT FROM specql.released_actions)"
            " THEN specql.retry_due(%d) ELSE 0 END%s",
            settings::batchSize, looks ? " + specql.call_functions(1000)" : "");
        worker->retried = static_cast<int>(number(sql));
    });
}

// Counting never waits for a session that drains: that one does the same.
bool evaluateWindows(Worker* worker) {
    worker->counted = 0;
    return inHandlersTransaction("specql windows", [worker] {
        if (extensionIsThere(worker)) worker->counted = number("SELECT specql.evaluate_windows(1000, false)");
    });
}

bool askWhatIsDue(Worker* worker) {
    return inTransaction("specql looking", [worker] {
        if (extensionIsThere(worker)) worker->dueMs = number("SELECT specql.next_work(3600000)");
    });
}

bool keepHouse(Worker* worker) {
    return inTransaction("specql housekeeping", [worker] {
        if (!extensionIsThere(worker)) return;
        (void)number("SELECT specql.expire_deliveries()");
        (void)number("SELECT specql.expire_windows()");
        (void)number("SELECT count(*) FROM specql.expire_events()");
    });
}

// ---- beginning and end --------------------------------------------------------------------------------------------

// Whoever drops, renames, moves or copies the database needs it without sessions, and waits five seconds for that.
bool databaseIsWanted() {
    LOCKTAG tag;
    SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, MyDatabaseId, 0);
    if (LockAcquire(&tag, RowExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL) return true;
    LockRelease(&tag, RowExclusiveLock, true);
    return false;
}

int takePlace() {
    // A session that asks whether there are workers holds a lock for a moment.
    for (int i = 0; i < 20; ++i) {
        int place = takeWorkerPlace();
        if (place > 0) return place;
        pg_usleep(10 * 1000);
    }
    return 0;
}

bool begin(Worker* worker) {
    return inTransaction("specql start", [worker] {
        if (!extensionIsThere(worker)) return;
        requireMatchingVersion();
        (void)number(psprintf("SELECT specql.release_leases(%d)", worker->place));
        // The launcher starts the first, a commit the missing ones.
        if (worker->place == 1) startMissingWorkers();
    });
}

// What is under way is given a moment, the rest is put back.
void stop(Worker* worker) {
    TimestampTz until = later(stopMs);
    while (worker->courier->underWay() > 0 && GetCurrentTimestamp() < until)
        worker->courier->carry(carryMs);
    worker->courier->abandon();
    if (worker->courier->results() > 0 && exchange(worker)) worker->courier->recorded();
}

void reload(Worker* worker) {
    ConfigReloadPending = false;
    ProcessConfigFile(PGC_SIGHUP);
    worker->courier->reconfigure();
}

// ---- the loop -----------------------------------------------------------------------------------------------------

// A server that is started again must not meet processes of the one before.
void endWithPostmaster() {
    if (!PostmasterIsAlive()) proc_exit(1);
}

// Until results should be written down, or new work looked for.
void carryOn(Worker* worker) {
    Courier* courier = worker->courier;
    TimestampTz flush = 0, heed = later(flushMs);
    while (courier->underWay() > 0) {
        courier->carry(carryMs);
        endWithPostmaster();
        if (stopping || ConfigReloadPending) return;
        if (MyLatch->is_set && GetCurrentTimestamp() >= heed) return;
        if (courier->results() == 0) continue;
        if (flush == 0) flush = later(flushMs);
        if (courier->results() >= static_cast<size_t>(settings::maxConcurrency) || GetCurrentTimestamp() >= flush)
            return;
    }
}

// Sleeps for at most `ms`. False if the database is wanted by somebody else.
bool sleepUntilWork(int64_t ms) {
    TimestampTz until = later(static_cast<int>(Min(ms, 3600 * 1000)));
    for (;;) {
        int64_t left = millisecondsUntil(until);
        int events =
            WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, Min(left, lookMs), PG_WAIT_EXTENSION);
        if (events & WL_LATCH_SET) return true;
        if (databaseIsWanted()) return false;
        if (left <= lookMs) return true;
    }
}

void serve(Worker* worker) {
    TimestampTz lastWork = GetCurrentTimestamp(), house = later(housekeepingMs);
    while (!stopping && !worker->gone) {
        TimestampTz begun = GetCurrentTimestamp();
        ResetLatch(MyLatch);
        CHECK_FOR_INTERRUPTS();
        endWithPostmaster();
        if (ConfigReloadPending) reload(worker);
        if (settings::workerMode == settings::workerOff || worker->place > settings::workers) return;
        worker->claims = {nullptr, 0};
        worker->notified = 0;
        bool again = false;
        if (exchange(worker)) {
            worker->courier->recorded();
            again = worker->courier->accept(worker->claims);
            MemoryContextReset(worker->round);
        } else if (!sleepUntilWork(afterErrorMs)) {
            return;
        }
        if (worker->gone || !runHandlers(worker)) continue;
        if (!evaluateWindows(worker) && !stopping && !sleepUntilWork(afterErrorMs)) return;
        bool worked = worker->claims.count > 0 || worker->notified > 0 || worker->retried > 0 || worker->counted > 0;
        if (worked) lastWork = GetCurrentTimestamp();
        if (worker->courier->underWay() > 0) {
            carryOn(worker);
            continue;
        }
        if (worked || again || worker->courier->results() > 0) continue;
        if (GetCurrentTimestamp() >= house) {
            house = later(housekeepingMs);
            keepHouse(worker);
        }
        // Nothing could be claimed, so what seems to be due waits for something else: another's turn in its order, say.
        worker->dueMs = -1;
        if (!askWhatIsDue(worker) || worker->gone) continue;
        bool mayEnd = settings::workerMode == settings::workerAuto && worker->dueMs < 0;
        if (mayEnd && GetCurrentTimestamp() >= lastWork + static_cast<int64_t>(idleSeconds) * USECS_PER_SEC) return;
        int64_t wait = settings::pollInterval;
        if (worker->dueMs > 0 && worker->dueMs < wait) wait = worker->dueMs;
        pgstat_report_stat(true);
        if (databaseIsWanted() || !sleepUntilWork(wait)) return;
        int64_t rest = millisecondsUntil(begun + restMs * 1000);
        if (rest > 0) (void)WaitLatch(MyLatch, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, rest, PG_WAIT_EXTENSION);
    }
}

}  // namespace

void initWorker() {
    settings::defineWorkerSettings();
    registerWakeCallbacks();
    registerLauncher();
}

}  // namespace specql

extern "C" {
SPECQL_EXPORT void specql_worker_main(Datum argument);

// Exit code 0 says that it is not to be started again: the next work does that.
void specql_worker_main(Datum argument) {
    using namespace specql;
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    pqsignal(SIGTERM, atTerminate);
    BackgroundWorkerUnblockSignals();
    // The database may have been dropped before the server restarted its workers.
    struct stat state;
    if (MyBgworkerEntry->bgw_extra[0] != '\0' && stat(MyBgworkerEntry->bgw_extra, &state) != 0) proc_exit(0);
    BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(argument), InvalidOid, 0);
    pgstat_report_appname("specql worker");
    if (synchronous_commit < SYNCHRONOUS_COMMIT_REMOTE_FLUSH && synchronous_commit != SYNCHRONOUS_COMMIT_LOCAL_FLUSH)
        SetConfigOption("synchronous_commit", "local", PGC_USERSET, PGC_S_OVERRIDE);
    SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_OVERRIDE);
    SetConfigOption("jit", "off", PGC_USERSET, PGC_S_OVERRIDE);
    // What a handler waits for must not stop deliveries for long; the event is retried.
    SetConfigOption("lock_timeout", "10s", PGC_USERSET, PGC_S_OVERRIDE);
    if (settings::workerMode == settings::workerOff) proc_exit(0);
    int place = takePlace();
    if (place == 0) proc_exit(0);

    atBoundary([place] {
        Worker worker;
        memset(&worker, 0, sizeof worker);
        worker.place = place;
        worker.round = AllocSetContextCreate(TopMemoryContext, "specql round", ALLOCSET_DEFAULT_SIZES);
        if (!begin(&worker) || worker.gone) return;
        worker.courier = new Courier(place);
        serve(&worker);
        stop(&worker);
        delete worker.courier;
    });
    proc_exit(0);
}
}
