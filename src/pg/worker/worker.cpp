// The worker's main loop. A database has specql.workers of them: each holds the lock of its place as long as it lives.
//
//   round:   one transaction writes down what ended, sends notifications and claims calls (synchronous commit: a claim
//            must survive whatever happens after the call)
//   owners:  the first worker starts sessions for the owners of actions with work: no code of users runs in its own
//   between: libcurl works on the calls; no snapshot and no lock on a row is held while a socket is open
//   idle:    it sleeps until its latch is set, or something is due, or the poll interval is over
#include "pg/worker/worker.hpp"

#include <sys/stat.h>

#include "pg/base/event_settings.hpp"
#include "pg/base/wake.hpp"
#include "pg/base/worker_settings.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/worker/courier.hpp"
#include "pg/worker/launcher.hpp"
#include "pg/worker/owners.hpp"
#include "pg/worker/session.hpp"

namespace specql::worker {

namespace {

constexpr int idleSeconds = 60;  // after which a worker that was not told to stay ends
constexpr int flushMs = 10;      // results wait so long for others to be written down with
constexpr int carryMs = 20;      // between looks at the latch while calls are under way
constexpr int restMs = 20;       // from a round that found nothing to the next: one serves all commits in between
constexpr int stopMs = 3000;     // for calls under way to end, when the worker must
constexpr int afterErrorMs = 1000;
constexpr int housekeepingMs = 5 * 60 * 1000;

volatile sig_atomic_t stopping = false;

void atTerminate(int) {
    int saved = errno;
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
    int notified;   // in the last round
    int64_t dueMs;  // until something is due; -1 if nothing waits
    bool gone;      // the extension is
};

// ---- transactions -------------------------------------------------------------------------------------------------

// With SPI. An error is logged and undone; false then.
template <typename Body>
bool inTransaction(Worker* worker, const char* what, Body&& body) {
    ErrorData* error = tryTransaction(what, [worker, &body] {
        worker->gone = !extensionIsThere();
        if (worker->gone) return;
        SPI_connect();
        body();
        SPI_finish();
    });
    if (error == nullptr) return true;
    FreeErrorData(error);
    return false;
}

bool exchange(Worker* worker) {
    return inTransaction(worker, "specql deliveries", [worker] {
        worker->courier->record();
        worker->notified = stopping ? 0 : worker->courier->sendNotifications(1000);
        MemoryContextSwitchTo(worker->round);
        worker->claims = {nullptr, 0};
        if (!stopping) worker->claims = worker->courier->claim(Max(settings::batchSize, settings::maxConcurrency));
    });
}

bool askWhatIsDue(Worker* worker) {
    return inTransaction(worker, "specql looking",
                         [worker] { worker->dueMs = number("SELECT specql.next_work(3600000)"); });
}

bool keepHouse(Worker* worker) {
    return inTransaction(worker, "specql housekeeping", [] {
        (void)number("SELECT specql.expire_deliveries()");
        (void)number("SELECT specql.expire_windows()");
        (void)number("SELECT count(*) FROM specql.expire_events()");
    });
}

// ---- beginning and end --------------------------------------------------------------------------------------------

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
    return inTransaction(worker, "specql start", [worker] {
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
        if (worker->gone) continue;
        // What was claimed is on its way before anybody looks at what else is due.
        worker->courier->carry(0);
        int64_t ownersMs = -1;
        if (worker->place == 1 && !stopping) ownersMs = startOwners();
        bool worked = worker->claims.count > 0 || worker->notified > 0;
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
        if (ownersMs >= 0 && ownersMs < wait) wait = ownersMs;
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

}  // namespace specql::worker

extern "C" {
SPECQL_EXPORT void specql_worker_main(Datum argument);

// Exit code 0 says that it is not to be started again: the next work does that.
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
    SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_OVERRIDE);
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
