// An owner worker: a session that runs the code of one role, and of no other. It is connected as that role, so that
// triggers which the code defers run as the role too. The engine's own statements run as the owner of the extension, in
// separate transactions where the code might end the session.
#include "pg/base/event_settings.hpp"
#include "pg/base/locks.hpp"
#include "pg/base/worker_settings.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/bridge/settings.hpp"
#include "pg/bridge/spi.hpp"
#include "pg/history/released.hpp"
#include "pg/history/retry.hpp"
#include "pg/outbox/owned_calls.hpp"
#include "pg/worker/owners.hpp"
#include "pg/worker/session.hpp"

extern "C" {
#include "utils/portal.h"
#include "utils/timeout.h"
}

namespace specql::worker {

namespace {

constexpr int idleMs = 10 * 1000;      // without work for so long, it ends
constexpr int turnMs = 2 * 1000;       // after working for so long, it ends if other roles wait for a slot
constexpr int batchMs = 1000;          // after so long, a transaction begins no further event
constexpr int restMs = 20;             // least time between two queries for work, which so serve several commits
constexpr int blockedMs = 200;         // pause of a window whose events wait for an open transaction
constexpr int contendedMs = 2 * 1000;  // pause of an action whose event met a lock or an outage
constexpr int failedMs = 10 * 1000;    // pause after an error of the engine's own statements
constexpr int graceMs = 5 * 1000;      // time that cancelled code has to end, before the session is ended
constexpr int64_t windowBatch = 1000;
constexpr int windowLookShare = 4;  // counting takes as many times the part of the time that a look may take

volatile sig_atomic_t stopping = false;
volatile sig_atomic_t runsCode = false;  // code of the owner is running

// While code of a user runs, SIGTERM cancels it at once; otherwise the main loop ends by itself.
void atTerminate(int signal) {
    if (runsCode) {
        die(signal);
        return;
    }
    int saved = errno;
    stopping = true;
    SetLatch(MyLatch);
    errno = saved;
}

// The code has not reacted to its cancellation by the timeout.
void atOvertime() {
    die(SIGTERM);
}

// One kind of work for one action, as specql.owner_work() gives it.
struct Job {
    const char* kind;
    const char* action;
    int64_t dueMs;
};

// A job that is not to be run for a while.
struct PausedJob {
    Job job;
    TimestampTz until;
};

struct OwnerWorker {
    Oid owner;
    OwnerWorkersState* shared;  // nullptr if the coordinator has ended
    int slot;
    TimeoutId overtime;
    TimestampTz turnBegan;
    MemoryContext round;  // reset for each
    List* pausedJobs;     // of Held
    TimestampTz lookAt;   // when to look for jobs again
    bool isGone;          // the extension or the role was dropped
};

OwnerWorker self;

bool othersWait() {
    return self.shared == nullptr || self.shared->wanted;
}

bool turnIsOver() {
    return stopping || (othersWait() && GetCurrentTimestamp() >= self.turnBegan + turnMs * INT64CONST(1000));
}

// ---- transactions -------------------------------------------------------------------------------------------------

bool canWork() {
    self.isGone = !lockExtension() || !SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(self.owner));
    return !self.isGone;
}

// Runs `body` in a transaction with SPI, as the owner of the extension. False after an error, which is logged. Only for
// statements that call no code of users.
template <typename Body>
bool inEnginesTransaction(Body&& body) {
    ErrorData* error = tryTransaction("specql owner", [&body] {
        if (!canWork()) return;
        // A COMMIT that waits for a standby would not heed SIGTERM.
        setLocal("synchronous_commit", "local");
        runAsExtensionOwner([&body] {
            spi::connect();
            body();
            spi::finish();
        });
    });
    return error == nullptr;
}

// Removes what the code of the last transaction has left in the session: cursors, settings and advisory locks.
void resetSession() {
    PortalHashTableDeleteAll();
    ResetAllOptions();
    LockReleaseSession(USER_LOCKMETHOD);
    (void)holdLock(LockKind::owner, self.owner);
}

// Runs `body`, which calls code of the owner for an action, in a transaction, for at most specql.handler_timeout.
// Returns nullptr or the error.
template <typename Body>
ErrorData* inOwnersTransaction(const char* action, Body&& body) {
    int limit = settings::handlerTimeout;
    if (limit > 0) {
        enable_timeout_after(STATEMENT_TIMEOUT, limit);
        enable_timeout_after(self.overtime, Min(limit, INT_MAX - graceMs) + graceMs);
    }
    runsCode = true;
    bool quiet = false;
    ErrorData* error = tryTransaction(
        "specql handlers",
        [action, &body, &quiet] {
            if (!canWork()) return;
            quiet = history::tellsPrivate(action);
            body();
        },
        &quiet);
    runsCode = false;
    if (limit > 0) {
        disable_timeout(STATEMENT_TIMEOUT, false);
        disable_timeout(self.overtime, false);
    }
    QueryCancelPending = false;
    resetSession();
    return error;
}

spi::Argument textArgument(const char* value) {
    return {TEXTOID, CStringGetTextDatum(value)};
}

// ---- batches ------------------------------------------------------------------------------------------------------

const char* const beginSql = "INSERT INTO specql.begun_work VALUES ($1, $2) ON CONFLICT DO NOTHING";
const char* const beginMatchesSql =
    "INSERT INTO specql.begun_work SELECT $1, $2"
    " WHERE EXISTS (SELECT FROM specql.waiting_event AS w WHERE w.action = $1)"
    " AND EXISTS (SELECT FROM specql.action AS a WHERE a.action = $1 AND a.paused_at IS NULL) ON CONFLICT DO NOTHING";
const char* const endSql = "DELETE FROM specql.begun_work WHERE action = $1 AND kind = $2";

void endBatch(const Job* job) {
    runAsExtensionOwner([job] {
        spi::connect();
        (void)spi::query(endSql, {textArgument(job->action), textArgument(job->kind)});
        spi::finish();
    });
}

// Notes in specql.begun_work that a batch begins. False if such a note is there already: then the code of the batch
// before has ended its session or was cancelled, and events must be tried one at a time.
bool beginBatch(const Job* job) {
    bool fresh = false;
    (void)inEnginesTransaction([job, &fresh] {
        fresh = spi::query(beginSql, {textArgument(job->action), textArgument(job->kind)}) == 1;
    });
    return fresh;
}

// ---- jobs: each does a part of its work, and returns for how many milliseconds to pause the job then ----------------

int retryTogether(const Job* job) {
    bool contended = false;
    (void)inOwnersTransaction(job->action, [job, &contended] {
        (void)history::retryAction(job->action, settings::batchSize, later(batchMs), &contended);
        endBatch(job);
    });
    return contended ? contendedMs : 0;
}

int retryOneByOne(const Job* job) {
    for (int i = 0; i < settings::batchSize; ++i) {
        if (turnIsOver() || self.isGone) return 0;
        history::PastEvent* failed = nullptr;
        MemoryContext keep = CurrentMemoryContext;
        ErrorData* problem = tryTransaction("specql owner", [job, keep, &failed] {
            if (!canWork()) return;
            MemoryContextSwitchTo(keep);
            failed = history::countAttempt(job->action);
        });
        if (problem != nullptr) return failedMs;
        if (failed == nullptr) break;
        if (ErrorData* error = inOwnersTransaction(job->action, [failed] { history::retryCounted(failed); }))
            (void)tryTransaction("specql owner", [failed, error] { history::recordCountedError(failed, error); });
    }
    (void)tryTransaction("specql owner", [job] { endBatch(job); });
    return 0;
}

int doFailures(const Job* job) {
    return beginBatch(job) ? retryTogether(job) : retryOneByOne(job);
}

// The batch has begun.
void handleTogether(const Job* job) {
    (void)inOwnersTransaction(job->action, [job] {
        (void)history::handleReleased(job->action, settings::batchSize);
        endBatch(job);
    });
}

int doReleased(const Job* job) {
    if (beginBatch(job)) {
        handleTogether(job);
        return 0;
    }
    const Job alone = {"failures", job->action, 0};
    (void)beginBatch(&alone);
    ErrorData* error = tryTransaction("specql owner", [job] {
        history::failReleased(job->action, settings::batchSize);
        endBatch(job);
    });
    return error != nullptr ? failedMs : 0;
}

// Matches are handled at once: the transaction that counts the events also notes that their batch begins.
int doWindow(const Job* job) {
    const Job matches = {"released", job->action, 0};
    int64_t counted = 0;
    bool begun = false;
    TimestampTz start = GetCurrentTimestamp();
    bool good = inEnginesTransaction([job, &matches, &counted, &begun] {
        (void)spi::query("SELECT specql.evaluate_window($1, $2)",
                         {textArgument(job->action), {INT8OID, Int64GetDatum(windowBatch)}});
        bool isNull;
        counted = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isNull));
        begun = spi::query(beginMatchesSql, {textArgument(matches.action), textArgument(matches.kind)}) == 1;
    });
    if (!good) return failedMs;
    // It reads events that were counted and that an old snapshot keeps. Where that takes long, more are counted at
    // once.
    int64_t pause = counted < windowBatch ? millisecondsUntil(nextLook(start)) / windowLookShare : 0;
    if (begun) handleTogether(&matches);
    return static_cast<int>(Max(pause, counted == 0 ? blockedMs : 0));
}

// What is due is handled at once, too.
int doSchedule(const Job* job) {
    const Job events = {"released", job->action, 0};
    bool begun = false;
    bool good = inEnginesTransaction([job, &events, &begun] {
        (void)spi::query("SELECT specql.raise_due($1)", {textArgument(job->action)});
        begun = spi::query(beginMatchesSql, {textArgument(events.action), textArgument(events.kind)}) == 1;
    });
    if (!good) return failedMs;
    if (begun) handleTogether(&events);
    return begun ? 0 : blockedMs;
}

struct FunctionCall {
    pg_uuid_t id;
    Oid owner;
    const char* command;
    Datum payload;
    const char* traceparent;  // nullptr: none
    Datum settings;           // jsonb; 0: none
};

// A value of a row, copied; 0 for NULL.
Datum copyOf(HeapTuple row, TupleDesc descriptor, int column) {
    bool isNull;
    Datum value = SPI_getbinval(row, descriptor, column, &isNull);
    return isNull ? 0 : PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
}

void endFunctionCall(const FunctionCall* call, const char* problem) {
    runAsExtensionOwner([call, problem] {
        spi::connect();
        (void)spi::query("SELECT specql.end_function_call($1, nullif($2, ''))",
                         {{UUIDOID, UUIDPGetDatum(&call->id)}, textArgument(problem)});
        spi::finish();
    });
}

int doFunctions(const Job* job) {
    FunctionCall call = {{}, InvalidOid, nullptr, 0, nullptr, 0};
    MemoryContext keep = CurrentMemoryContext;
    bool good = inEnginesTransaction([job, keep, &call] {
        (void)spi::query("SELECT * FROM specql.claim_function_call($1)", {textArgument(job->action)});
        HeapTuple row = SPI_tuptable->vals[0];
        TupleDesc rowDescriptor = SPI_tuptable->tupdesc;
        bool isNull;
        Datum id = SPI_getbinval(row, rowDescriptor, 1, &isNull);
        if (isNull) return;
        MemoryContext spi = MemoryContextSwitchTo(keep);
        call.id = *DatumGetUUIDP(id);
        call.owner = DatumGetObjectId(SPI_getbinval(row, rowDescriptor, 2, &isNull));
        call.command = SPI_getvalue(row, rowDescriptor, 3);
        call.payload = copyOf(row, rowDescriptor, 4);
        call.traceparent = SPI_getvalue(row, rowDescriptor, 5);
        call.settings = copyOf(row, rowDescriptor, 6);
        MemoryContextSwitchTo(spi);
    });
    if (!good) return failedMs;
    if (call.command == nullptr) return settings::pollInterval;
    ErrorData* error = inOwnersTransaction(job->action, [job, &call] {
        ErrorData* problem =
            outbox::runCommandAs(call.owner, call.command, call.payload, call.traceparent, call.settings);
        endFunctionCall(&call, problem != nullptr ? history::tellableMessage(job->action, problem) : "");
    });
    if (error != nullptr)
        (void)tryTransaction("specql owner", [job, &call, error] {
            endFunctionCall(&call, history::tellableMessage(job->action, error));
        });
    return 0;
}

void endFinished(const Job* job, Datum ids, const char* problem) {
    runAsExtensionOwner([job, ids, problem] {
        spi::connect();
        (void)spi::query("SELECT specql.end_finished($1, $2, nullif($3, ''))",
                         {textArgument(job->action), {UUIDARRAYOID, ids}, textArgument(problem)});
        spi::finish();
    });
}

int doFinished(const Job* job) {
    Datum ids = 0, settings = 0;
    const char* function = nullptr;
    MemoryContext keep = CurrentMemoryContext;
    bool good = inEnginesTransaction([job, keep, &ids, &function, &settings] {
        (void)spi::query("SELECT * FROM specql.claim_finished($1)", {textArgument(job->action)});
        HeapTuple row = SPI_tuptable->vals[0];
        MemoryContext spi = MemoryContextSwitchTo(keep);
        ids = copyOf(row, SPI_tuptable->tupdesc, 1);
        function = SPI_getvalue(row, SPI_tuptable->tupdesc, 2);
        settings = copyOf(row, SPI_tuptable->tupdesc, 3);
        MemoryContextSwitchTo(spi);
    });
    if (!good) return failedMs;
    if (ArrayGetNItems(ARR_NDIM(DatumGetArrayTypeP(ids)), ARR_DIMS(DatumGetArrayTypeP(ids))) == 0) return blockedMs;
    ErrorData* error = inOwnersTransaction(job->action, [job, ids, function, settings] {
        ErrorData* problem =
            function != nullptr ? outbox::callProcessed(job->action, function, ids, settings) : nullptr;
        endFinished(job, ids, problem != nullptr ? history::tellableMessage(job->action, problem) : "");
    });
    if (error != nullptr)
        (void)tryTransaction(
            "specql owner", [job, ids, error] { endFinished(job, ids, history::tellableMessage(job->action, error)); });
    return 0;
}

struct Kind {
    const char* name;
    int (*work)(const Job*);
};
constexpr Kind kinds[] = {{"failures", doFailures}, {"released", doReleased},   {"window", doWindow},
                          {"schedule", doSchedule}, {"functions", doFunctions}, {"finished", doFinished}};

// ---- what is due --------------------------------------------------------------------------------------------------

bool isSameJob(const Job* one, const Job* other) {
    return strcmp(one->kind, other->kind) == 0 && strcmp(one->action, other->action) == 0;
}

int64_t pausedMs(const Job* job) {
    ListCell* cell;
    foreach (cell, self.pausedJobs) {
        const auto* paused = static_cast<const PausedJob*>(lfirst(cell));
        if (isSameJob(&paused->job, job)) return millisecondsUntil(paused->until);
    }
    return 0;
}

void pauseJob(const Job* job, int ms) {
    MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
    ListCell* cell;
    PausedJob* paused = nullptr;
    foreach (cell, self.pausedJobs)
        if (isSameJob(&static_cast<PausedJob*>(lfirst(cell))->job, job)) paused = static_cast<PausedJob*>(lfirst(cell));
    if (paused == nullptr) {
        paused = static_cast<PausedJob*>(palloc(sizeof(PausedJob)));
        paused->job = {pstrdup(job->kind), pstrdup(job->action), 0};
        self.pausedJobs = lappend(self.pausedJobs, paused);
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

void run(const Job* job) {
    for (const Kind& kind : kinds)
        if (strcmp(kind.name, job->kind) == 0)
            if (int pause = kind.work(job)) pauseJob(job, pause);
}

// Runs each job that is due once. False if none was; `soonestMs` then tells in how many milliseconds one will be.
bool work(int64_t* soonestMs) {
    int count;
    TimestampTz begun = GetCurrentTimestamp();
    Job* jobs = findJobs(&count);
    self.lookAt = nextLook(begun);
    bool worked = false;
    *soonestMs = settings::pollInterval;
    for (int i = 0; i < count && !turnIsOver() && !self.isGone; ++i) {
        int64_t inMs = Max(jobs[i].dueMs, pausedMs(&jobs[i]));
        if (inMs > 0) {
            *soonestMs = Min(*soonestMs, inMs);
            continue;
        }
        MemoryContext jobContext = AllocSetContextCreate(self.round, "specql job", ALLOCSET_DEFAULT_SIZES);
        MemoryContext before = MemoryContextSwitchTo(jobContext);
        run(&jobs[i]);
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
    while (!stopping && millisecondsUntil(time) > 0)
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
        MemoryContextReset(self.round);
        MemoryContextSwitchTo(self.round);
        if (work(&soonestMs)) {
            lastWork = GetCurrentTimestamp();
            restUntil(self.lookAt);
            continue;
        }
        if (othersWait() || GetCurrentTimestamp() >= lastWork + idleMs * INT64CONST(1000)) return;
        pgstat_report_stat(true);
        TimestampTz due = GetCurrentTimestamp() + Max(soonestMs, 1) * INT64CONST(1000);
        if (!sleepUntilWork(Max(soonestMs, 1))) return;
        self.turnBegan = GetCurrentTimestamp();
        restUntil(Max(Min(begun + restMs * INT64CONST(1000), due), self.lookAt));
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
            self.round = AllocSetContextCreate(TopMemoryContext, "specql round", ALLOCSET_DEFAULT_SIZES);
            serve();
        });
    report(OwnerState::ended);
    proc_exit(0);
}
}
