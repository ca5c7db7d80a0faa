// The main loop of a worker. A database has up to specql.workers of them, numbered from 1; each holds the lock of its
// number.
//
//   exchange: one transaction stores results, sends notifications and claims calls; it is committed synchronously,
//   because a
//             claim must not be lost in a crash after the call was made
//   owners:   worker 1 starts owner workers for the roles with work; no code of users runs in its own session
//   perform:  libcurl works on the calls, outside of transactions, so no snapshot and no lock is held meanwhile; nor
//             while a standby has not confirmed the claims (specql.deliver_after), before which none is made
//   idle:     it sleeps until its latch is set, something is due, or specql.poll_interval is over
#include "pg/worker/worker.hpp"

#include <sys/stat.h>

#include "pg/base/event_settings.hpp"
#include "pg/base/wake.hpp"
#include "pg/base/worker_settings.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/outbox/claim_place.hpp"
#include "pg/outbox/limits.hpp"
#include "pg/worker/courier.hpp"
#include "pg/worker/launcher.hpp"
#include "pg/worker/owners.hpp"
#include "pg/worker/session.hpp"

namespace specql::worker {

namespace {

constexpr int idleSeconds = 60;     // without work for so long, a worker ends if specql.worker is auto
constexpr int flushMs = 10;         // results wait so long to be stored together with others
constexpr int ownersPauseMs = 50;   // before owners are looked for again while calls are in flight
constexpr int performMs = 20;       // between checks of the latch while calls are in flight
constexpr int restMs = 20;          // least time between two exchanges without result, which so serve several commits
constexpr int standbyMs = 5000;     // time for a standby to confirm claims, before they are put back
constexpr int standbyLookMs = 200;  // between two looks whether it has, when they were
constexpr int stopMs = 3000;        // time for calls in flight to end when the worker stops
constexpr int afterErrorMs = 1000;
constexpr int beginAgainMs = 5000;
constexpr int housekeepingMs = 5 * 60 * 1000;
constexpr int presenceMs = 60 * 1000;                             // between two notes that a worker is there
const char* const heldUpActivity = "specql waits for a standby";  // specql.health() looks for it

volatile sig_atomic_t stopping = false;

void atTerminate(int) {
    int saved = errno;
    stopping = true;
    SetLatch(MyLatch);
    errno = saved;
}

// ---- the state between transactions -------------------------------------------------------------------------------

struct Worker {
    int workerNumber;  // from 1
    Courier* courier;
    MemoryContext round;  // claims of the current one
    Claims claims;
    TimestampTz acceptedAt;  // the last claims
    bool heldUp;             // they had to be put back, because no standby has confirmed them
    int notified;            // in the last round
    TimestampTz askAgainAt;  // what is due
    int64_t dueMs;           // until something is due; -1 if nothing waits
    bool isGone;             // the extension is
    bool isOutdated;         // the extension was updated, and this process has the old library
    char problem[256];       // why the last transaction failed, if it did; for specql.health()
};

// ---- transactions -------------------------------------------------------------------------------------------------

// Runs `body` in a transaction with SPI, unless the extension was dropped. False after an error, which is logged.
template <typename Body>
bool inTransaction(Worker* worker, const char* what, Body&& body) {
    const char* activity = worker->heldUp ? heldUpActivity : worker->problem[0] != '\0' ? worker->problem : what;
    ErrorData* error = tryTransaction(activity, [worker, &body] {
        worker->isGone = !lockExtension();
        if (worker->isGone) return;
        requireMatchingVersion();
        SPI_connect();
        body();
        SPI_finish();
    });
    worker->problem[0] = '\0';
    if (error == nullptr) return true;
    snprintf(worker->problem, sizeof worker->problem, "specql cannot work: %s", error->message);
    worker->isOutdated = error->sqlerrcode == sqlstate::versionMismatch;
    FreeErrorData(error);
    return false;
}

bool exchange(Worker* worker) {
    return inTransaction(worker, "specql deliveries", [worker] {
        worker->courier->record();
        worker->notified = stopping ? 0 : worker->courier->sendNotifications(1000);
        MemoryContextSwitchTo(worker->round);
        worker->claims = {nullptr, 0};
        if (!stopping)
            worker->claims =
                worker->courier->claim(Max(settings::batchSize, settings::maxConcurrency), Courier::mostCallsAtOnce);
    });
}

bool askWhatIsDue(Worker* worker) {
    TimestampTz begun = GetCurrentTimestamp();
    bool done = inTransaction(worker, "specql looking", [worker] {
        // There may be more of them.
        bool expired = queryNumber("SELECT specql.expire_calls()") > 0;
        worker->dueMs = expired ? 0 : queryNumber("SELECT specql.next_work(3600000)");
    });
    worker->askAgainAt = nextLook(begun);
    return done;
}

bool runHousekeeping(Worker* worker) {
    return inTransaction(worker, "specql housekeeping", [] {
        (void)queryNumber("SELECT specql.expire_deliveries()");
        (void)queryNumber("SELECT specql.forget_keys()");
        (void)queryNumber("SELECT specql.forget_happenings()");
        (void)queryNumber("SELECT specql.expire_windows()");
        (void)queryNumber("SELECT count(*) FROM specql.expire_events()");
        (void)queryNumber("SELECT specql.expire_processes()");
    });
}

// Says that a worker is there; `rests`: that it ends, because nothing is to be done.
void notePresence(Worker* worker, bool rests) {
    (void)inTransaction(worker, "specql presence", [rests] {
        (void)queryNumber(rests ? "SELECT 1 FROM specql.note_worker(true)" : "SELECT 1 FROM specql.note_worker(false)");
    });
}

// ---- beginning and end --------------------------------------------------------------------------------------------

int takeNumber() {
    // Sessions that count the missing workers hold these locks for a moment, so it is tried several times.
    for (int i = 0; i < 20; ++i) {
        int workerNumber = takeWorkerNumber();
        if (workerNumber > 0) return workerNumber;
        pg_usleep(10 * 1000);
    }
    return 0;
}

bool begin(Worker* worker) {
    return inTransaction(worker, "specql start", [worker] {
        (void)queryNumber(psprintf("SELECT specql.release_leases(%d)", worker->workerNumber));
        // The launcher starts only one worker per database; this one starts the others.
        if (worker->workerNumber != 1) return;
        startMissingWorkers();
        (void)queryNumber("SELECT specql.tell_of_missing_worker()");
    });
}

// Begins when it can: the extension may be of another version until ALTER EXTENSION specql UPDATE. False if it must
// end.
bool beginWhenPossible(Worker* worker) {
    while (!begin(worker)) {
        TimestampTz until = later(beginAgainMs);
        while (!stopping && GetCurrentTimestamp() < until) {
            if (!sleepUntilWork(millisecondsUntil(until))) return false;
            ResetLatch(MyLatch);
            CHECK_FOR_INTERRUPTS();
            if (ConfigReloadPending) {
                ConfigReloadPending = false;
                ProcessConfigFile(PGC_SIGHUP);
            }
        }
        if (stopping || settings::workerMode == settings::workerOff) return false;
    }
    return !worker->isGone;
}

// Waits a moment for calls in flight, and gives the leases of the others back.
void stop(Worker* worker) {
    TimestampTz until = later(stopMs);
    while (worker->courier->unfinished() > 0 && GetCurrentTimestamp() < until)
        worker->courier->perform(performMs);
    worker->courier->abandonCalls();
    if (worker->courier->results() > 0 && exchange(worker)) worker->courier->recorded();
}

void reload(Worker* worker) {
    ConfigReloadPending = false;
    ProcessConfigFile(PGC_SIGHUP);
    worker->courier->reconfigure();
}

// ---- the loop -----------------------------------------------------------------------------------------------------

// Performs calls until results should be stored, or new work be claimed.
void performCalls(Worker* worker) {
    Courier* courier = worker->courier;
    TimestampTz flush = 0, ignoreLatchUntil = later(flushMs);
    while (courier->unfinished() > 0) {
        courier->perform(performMs);
        endWithPostmaster();
        if (stopping || ConfigReloadPending) return;
        if (courier->waitsForStandby() && GetCurrentTimestamp() >= worker->acceptedAt + standbyMs * INT64CONST(1000)) {
            courier->putBack("no standby has confirmed it");
            worker->heldUp = true;
            return;
        }
        if (MyLatch->is_set && GetCurrentTimestamp() >= ignoreLatchUntil) return;
        // The rate of another service lets more of its calls go.
        if (outbox::msToNextPlace() == 0) return;
        if (courier->results() == 0) continue;
        if (flush == 0) flush = later(flushMs);
        if (courier->results() >= static_cast<size_t>(settings::maxConcurrency) || GetCurrentTimestamp() >= flush)
            return;
    }
}

void serve(Worker* worker) {
    TimestampTz lastWork = GetCurrentTimestamp(), housekeepingAt = later(housekeepingMs), ownersAt = 0;
    TimestampTz presentAt = later(presenceMs);
    while (!stopping && !worker->isGone) {
        TimestampTz begun = GetCurrentTimestamp();
        ResetLatch(MyLatch);
        CHECK_FOR_INTERRUPTS();
        endWithPostmaster();
        if (ConfigReloadPending) reload(worker);
        if (settings::workerMode == settings::workerOff || worker->workerNumber > settings::workers) return;
        worker->heldUp = worker->heldUp && worker->courier->waitsForStandby();
        worker->claims = {nullptr, 0};
        worker->notified = 0;
        if (exchange(worker)) {
            worker->courier->recorded();
            worker->courier->accept(worker->claims, XactLastCommitEnd);
            if (worker->claims.count > 0) worker->acceptedAt = GetCurrentTimestamp();
            MemoryContextReset(worker->round);
        } else if (worker->isOutdated || !sleepUntilWork(afterErrorMs)) {
            return;
        }
        if (worker->isGone) continue;
        if (GetCurrentTimestamp() >= presentAt) {
            presentAt = later(presenceMs);
            notePresence(worker, false);
            if (worker->isGone) continue;
        }
        // The claimed calls are sent before anything else is done.
        worker->courier->perform(0);
        int64_t ownersMs = -1;
        // While calls are under way there are many rounds.
        bool askOwners = worker->courier->unfinished() == 0 || GetCurrentTimestamp() >= ownersAt;
        if (worker->workerNumber == 1 && !stopping && askOwners) {
            ownersMs = startOwners();
            ownersAt = later(ownersPauseMs);
        }
        bool worked = worker->claims.count > 0 || worker->notified > 0;
        if (worked) lastWork = GetCurrentTimestamp();
        if (worker->courier->unfinished() > 0) {
            performCalls(worker);
            continue;
        }
        if (worked || worker->courier->results() > 0) continue;
        if (GetCurrentTimestamp() >= housekeepingAt) {
            housekeepingAt = later(housekeepingMs);
            runHousekeeping(worker);
        }
        // Nothing could be claimed, so deliveries that are due wait for something else: in an ordered service for those
        // before them, for instance.
        worker->dueMs = -1;
        if (GetCurrentTimestamp() < worker->askAgainAt)
            worker->dueMs = millisecondsUntil(worker->askAgainAt) + 1;
        else if (!askWhatIsDue(worker) || worker->isGone)
            continue;
        bool mayEnd = settings::workerMode == settings::workerAuto && worker->dueMs < 0;
        if (mayEnd && GetCurrentTimestamp() >= lastWork + static_cast<int64_t>(idleSeconds) * USECS_PER_SEC) {
            notePresence(worker, true);
            return;
        }
        int64_t wait = settings::pollInterval;
        if (worker->dueMs > 0 && worker->dueMs < wait) wait = worker->dueMs;
        if (ownersMs >= 0 && ownersMs < wait) wait = ownersMs;
        int64_t lookMs = outbox::msToFullLook();
        if (lookMs >= 0 && lookMs < wait) wait = lookMs;
        int64_t placeMs = outbox::msToNextPlace();
        if (placeMs >= 0 && placeMs < wait) wait = placeMs;
        worker->heldUp = worker->courier->waitsForStandby();
        if (worker->heldUp) wait = Min(wait, standbyLookMs);
        pgstat_report_stat(true);
        if (isDatabaseLocked() || !sleepUntilWork(wait)) return;
        int64_t rest = millisecondsUntil(begun + restMs * 1000);
        if (rest > 0) (void)WaitLatch(MyLatch, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, rest, PG_WAIT_EXTENSION);
    }
}

}  // namespace

void initWorker() {
    settings::defineWorkerSettings();
    registerWakeCallbacks();
    outbox::registerClaimPlaces();
    registerLauncher();
}

}  // namespace specql::worker

extern "C" {
SPECQL_EXPORT void specql_worker_main(Datum argument);

// With exit code 0 the postmaster does not restart it; the next session that queues work does. With exit code 1 it
// does, and the new process has the new library.
void specql_worker_main(Datum argument) {
    using namespace specql;
    using namespace specql::worker;
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    pqsignal(SIGTERM, atTerminate);
    BackgroundWorkerUnblockSignals();
    // The database may have been dropped before the server restarted its workers.
    struct stat state;
    if (MyBgworkerEntry->bgw_extra[0] != '\0' && stat(MyBgworkerEntry->bgw_extra, &state) != 0) proc_exit(0);
    BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(argument), InvalidOid, 0);
    pgstat_report_appname("specql worker");
    setUpSession();
    // A COMMIT that waits for a standby holds its snapshot and its locks. The courier waits outside of transactions.
    SetConfigOption("synchronous_commit", "local", PGC_USERSET, PGC_S_OVERRIDE);
    SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_OVERRIDE);
    if (settings::workerMode == settings::workerOff) proc_exit(0);
    int workerNumber = takeNumber();
    if (workerNumber == 0) proc_exit(0);

    bool isOutdated = false;
    atBoundary([workerNumber, &isOutdated] {
        Worker worker;
        memset(&worker, 0, sizeof worker);
        worker.workerNumber = workerNumber;
        worker.round = AllocSetContextCreate(TopMemoryContext, "specql round", ALLOCSET_DEFAULT_SIZES);
        if (!beginWhenPossible(&worker)) return;
        worker.courier = new Courier(workerNumber);
        serve(&worker);
        stop(&worker);
        delete worker.courier;
        isOutdated = worker.isOutdated;
    });
    proc_exit(isOutdated ? 1 : 0);
}
}
