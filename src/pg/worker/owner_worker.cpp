// An owner worker: a session that runs the code of one role, and of no other. It is connected as that role, so that
// triggers which the code defers run as the role too. The engine's own statements run as the owner of the extension, in
// separate transactions where the code might end the session. Here it chooses what to do next, and when to end.
#include "pg/base/worker_settings.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/worker/owner_jobs.hpp"
#include "pg/worker/owner_session.hpp"

namespace specql::worker {

namespace {

constexpr int idleMs = 10 * 1000;  // without work for so long, it ends
constexpr int restMs = 20;         // least time between two queries for work, which so serve several commits

// A job that is not to be run for a while.
struct PausedJob {
    Job job;
    TimestampTz until;
};

MemoryContext roundContext = nullptr;  // reset for each
List* pausedJobs = NIL;                // of PausedJob
TimestampTz lookAt = 0;                // when to look for jobs again

// ---- what is due --------------------------------------------------------------------------------------------------

bool isSameJob(const Job* one, const Job* other) {
    return strcmp(one->kind, other->kind) == 0 && strcmp(one->action, other->action) == 0;
}

int64_t pausedMs(const Job* job) {
    ListCell* cell;
    foreach (cell, pausedJobs) {
        const auto* paused = static_cast<const PausedJob*>(lfirst(cell));
        if (isSameJob(&paused->job, job)) return millisecondsUntil(paused->until);
    }
    return 0;
}

void pauseJob(const Job* job, int ms) {
    MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
    ListCell* cell;
    PausedJob* paused = nullptr;
    foreach (cell, pausedJobs)
        if (isSameJob(&static_cast<PausedJob*>(lfirst(cell))->job, job)) paused = static_cast<PausedJob*>(lfirst(cell));
    if (paused == nullptr) {
        paused = static_cast<PausedJob*>(palloc(sizeof(PausedJob)));
        paused->job = {pstrdup(job->kind), pstrdup(job->action), 0};
        pausedJobs = lappend(pausedJobs, paused);
    }
    paused->until = later(ms);
    MemoryContextSwitchTo(before);
}

// The jobs of the owner, the one that is due first in front; in the current memory context.
Job* findJobs(int* count) {
    MemoryContext keep = CurrentMemoryContext;
    Job* jobs = nullptr;
    *count = 0;
    bool good = inEnginesTransaction([keep, count, &jobs] {
        int rows = spi::query(
            "SELECT w.kind, w.action, greatest(0, extract(epoch FROM w.due_at - clock_timestamp()) * 1000)::bigint"
            " FROM specql.owner_work() AS w WHERE w.owner = $1 ORDER BY w.due_at",
            {{OIDOID, ObjectIdGetDatum(self.owner)}});
        MemoryContext spi = MemoryContextSwitchTo(keep);
        jobs = static_cast<Job*>(palloc(sizeof(Job) * Max(rows, 1)));
        for (int i = 0; i < rows; ++i) {
            HeapTuple row = SPI_tuptable->vals[i];
            bool isNull;
            jobs[i].kind = SPI_getvalue(row, SPI_tuptable->tupdesc, 1);
            jobs[i].action = SPI_getvalue(row, SPI_tuptable->tupdesc, 2);
            jobs[i].dueMs = DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 3, &isNull));
        }
        MemoryContextSwitchTo(spi);
        *count = rows;
    });
    if (!good) *count = 0;
    return jobs;
}

// Runs each job that is due once. False if none was; `soonestMs` then tells in how many milliseconds one will be.
bool work(int64_t* soonestMs) {
    int count;
    TimestampTz begun = GetCurrentTimestamp();
    Job* jobs = findJobs(&count);
    lookAt = nextLook(begun);
    bool worked = false;
    *soonestMs = settings::pollInterval;
    for (int i = 0; i < count && !turnIsOver() && !self.isGone; ++i) {
        int64_t inMs = Max(jobs[i].dueMs, pausedMs(&jobs[i]));
        if (inMs > 0) {
            *soonestMs = Min(*soonestMs, inMs);
            continue;
        }
        MemoryContext jobContext = AllocSetContextCreate(roundContext, "specql job", ALLOCSET_DEFAULT_SIZES);
        MemoryContext before = MemoryContextSwitchTo(jobContext);
        if (int pause = runJob(&jobs[i])) pauseJob(&jobs[i], pause);
        MemoryContextSwitchTo(before);
        MemoryContextDelete(jobContext);
        worked = true;
    }
    return worked;
}

// ---- beginning and end --------------------------------------------------------------------------------------------

// Whoever sets the latch meanwhile has waited for nothing.
void restUntil(TimestampTz time) {
    constexpr int64_t mostMs = 100;  // before a look whether this process must end
    while (!mustStop() && millisecondsUntil(time) > 0)
        (void)WaitLatch(MyLatch, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, Min(millisecondsUntil(time), mostMs),
                        PG_WAIT_EXTENSION);
}

void serve() {
    TimestampTz lastWork = GetCurrentTimestamp();
    self.turnBegan = lastWork;
    while (!turnIsOver() && !self.isGone) {
        TimestampTz begun = GetCurrentTimestamp();
        ResetLatch(MyLatch);
        CHECK_FOR_INTERRUPTS();
        endWithPostmaster();
        if (ConfigReloadPending) {
            ConfigReloadPending = false;
            ProcessConfigFile(PGC_SIGHUP);
        }
        if (settings::workerMode == settings::workerOff || isDatabaseLocked()) return;
        if (!holdLock(LockKind::owner, self.owner)) return;
        int64_t soonestMs;
        MemoryContextReset(roundContext);
        MemoryContextSwitchTo(roundContext);
        if (work(&soonestMs)) {
            lastWork = GetCurrentTimestamp();
            restUntil(lookAt);
            continue;
        }
        if (othersWait() || GetCurrentTimestamp() >= lastWork + idleMs * INT64CONST(1000)) return;
        pgstat_report_stat(true);
        TimestampTz due = GetCurrentTimestamp() + Max(soonestMs, 1) * INT64CONST(1000);
        if (!sleepUntilWork(Max(soonestMs, 1))) return;
        self.turnBegan = GetCurrentTimestamp();
        restUntil(Max(Min(begun + restMs * INT64CONST(1000), due), lookAt));
    }
}

void report(OwnerState state) {
    if (self.shared != nullptr) self.shared->states[self.slot] = state;
}

}  // namespace

}  // namespace specql::worker

extern "C" {
SPECQL_EXPORT void specql_owner_main(Datum argument);

void specql_owner_main(Datum argument) {
    using namespace specql;
    using namespace specql::worker;
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    pqsignal(SIGTERM, atTerminate);
    BackgroundWorkerUnblockSignals();
    OwnerWorkerArguments arguments;
    memcpy(&arguments, MyBgworkerEntry->bgw_extra, sizeof arguments);
    memset(&self, 0, sizeof self);
    self.owner = arguments.owner;
    self.slot = arguments.slot;
    BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(argument),
                                              arguments.restricted ? InvalidOid : arguments.owner,
                                              arguments.restricted ? 0 : compat::withoutLogin);
    if (dsm_segment* segment = dsm_attach(arguments.shared)) {
        dsm_pin_mapping(segment);
        self.shared = static_cast<OwnerWorkersState*>(dsm_segment_address(segment));
    }
    report(OwnerState::connected);
    pgstat_report_appname("specql owner worker");
    setUpSession();
    self.overtime = RegisterTimeout(USER_TIMEOUT, atOvertime);
    if (settings::workerMode != settings::workerOff && holdLock(LockKind::owner, arguments.owner))
        atBoundary([] {
            roundContext = AllocSetContextCreate(TopMemoryContext, "specql round", ALLOCSET_DEFAULT_SIZES);
            serve();
        });
    report(OwnerState::ended);
    proc_exit(0);
}
}
