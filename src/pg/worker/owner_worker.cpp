// A session for one owner of actions: code of that role runs here, and of no other. It is connected as the owner, so
// that what the code puts off, to the end of the transaction or of the session, is the owner's too. The engine's own
// statements run as the owner of the extension, in transactions of their own where the code might end the session.
#include "pg/base/event_settings.hpp"
#include "pg/base/locks.hpp"
#include "pg/base/worker_settings.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/extension.hpp"
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

constexpr int idleMs = 10 * 1000;      // after which it ends
constexpr int turnMs = 2 * 1000;       // after which it makes room, if others wait
constexpr int batchMs = 1000;          // for which one transaction goes on with further events
constexpr int restMs = 20;             // between looks: one serves all commits in between
constexpr int blockedMs = 200;         // before events of a window are looked at again that wait for a transaction
constexpr int contendedMs = 2 * 1000;  // for which an action's other events wait if one met a lock
constexpr int failedMs = 10 * 1000;    // before what the engine itself could not do is tried again
constexpr int graceMs = 5 * 1000;      // for code that was cancelled, before its session ends
constexpr int64_t windowBatch = 1000;

volatile sig_atomic_t stopping = false;
volatile sig_atomic_t runsCode = false;  // of the owner

// Code of users is not asked whether it would like to end.
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

void atOvertime() {
    die(SIGTERM);
}

// Something to do for an action; the kinds are those of specql.owner_work.
struct Job {
    const char* kind;
    const char* action;
    int64_t dueMs;
};

// A job that is left alone for a while.
struct Held {
    Job job;
    TimestampTz until;
};

struct OwnerWorker {
    Oid owner;
    OwnersBoard* board;  // nullptr if the coordinator is gone
    int slot;
    TimeoutId overtime;
    TimestampTz turnBegan;
    MemoryContext round;  // reset for each
    List* held;           // of Held
    bool gone;            // the extension is, or the role
};

OwnerWorker self;

bool othersWait() {
    return self.board == nullptr || self.board->wanted;
}

bool turnIsOver() {
    return stopping || (othersWait() && GetCurrentTimestamp() >= self.turnBegan + turnMs * INT64CONST(1000));
}

// ---- transactions -------------------------------------------------------------------------------------------------

bool isThere() {
    self.gone = !extensionIsThere() || !SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(self.owner));
    return !self.gone;
}

// The engine's own statements, which call nothing of users.
template <typename Body>
bool inEnginesTransaction(Body&& body) {
    ErrorData* error = tryTransaction("specql owner", [&body] {
        if (!isThere()) return;
        runAsExtensionOwner([&body] {
            spi::connect();
            body();
            spi::finish();
        });
    });
    return error == nullptr;
}

// Code of a session that has ended its transaction leaves nothing to the next one of the same owner.
void resetSession() {
    PortalHashTableDeleteAll();
    ResetAllOptions();
    LockReleaseSession(USER_LOCKMETHOD);
    (void)holdLock(LockKind::owner, self.owner);
}

// Code of the owner, as long as specql.handler_timeout allows. nullptr, or its error.
template <typename Body>
ErrorData* inOwnersTransaction(Body&& body) {
    int limit = settings::handlerTimeout;
    if (limit > 0) {
        enable_timeout_after(STATEMENT_TIMEOUT, limit);
        enable_timeout_after(self.overtime, Min(limit, INT_MAX - graceMs) + graceMs);
    }
    runsCode = true;
    ErrorData* error = tryTransaction("specql handlers", [&body] {
        if (isThere()) body();
    });
    runsCode = false;
    if (limit > 0) {
        disable_timeout(STATEMENT_TIMEOUT, false);
        disable_timeout(self.overtime, false);
    }
    QueryCancelPending = false;
    resetSession();
    return error;
}

const char* messageOf(const ErrorData* error) {
    return error->message != nullptr ? error->message : "it failed";
}

spi::Argument textArgument(const char* value) {
    return {TEXTOID, CStringGetTextDatum(value)};
}

// ---- work that is begun together ----------------------------------------------------------------------------------

const char* const beginSql = "INSERT INTO specql.begun_work VALUES ($1, $2) ON CONFLICT DO NOTHING";
const char* const endSql = "DELETE FROM specql.begun_work WHERE action = $1 AND kind = $2";

void endBatch(const Job* job) {
    runAsExtensionOwner([job] {
        spi::connect();
        (void)spi::query(endSql, {textArgument(job->action), textArgument(job->kind)});
        spi::finish();
    });
}

// False if the batch before has never come to its end.
bool beginBatch(const Job* job) {
    bool fresh = false;
    (void)inEnginesTransaction([job, &fresh] {
        fresh = spi::query(beginSql, {textArgument(job->action), textArgument(job->kind)}) == 1;
    });
    return fresh;
}

// ---- jobs: each does a stretch of work, and says how long to leave it alone then ------------------------------------

int retryTogether(const Job* job) {
    bool contended = false;
    (void)inOwnersTransaction([job, &contended] {
        (void)history::retryAction(job->action, settings::batchSize, later(batchMs), &contended);
        endBatch(job);
    });
    return contended ? contendedMs : 0;
}

int retryOneByOne(const Job* job) {
    for (int i = 0; i < settings::batchSize; ++i) {
        if (turnIsOver() || self.gone) return 0;
        history::PastEvent* failed = nullptr;
        MemoryContext keep = CurrentMemoryContext;
        ErrorData* problem = tryTransaction("specql owner", [job, keep, &failed] {
            if (!isThere()) return;
            MemoryContextSwitchTo(keep);
            failed = history::noteAttempt(job->action);
        });
        if (problem != nullptr) return failedMs;
        if (failed == nullptr) break;
        if (ErrorData* error = inOwnersTransaction([failed] { history::tryNoted(failed); }))
            (void)tryTransaction("specql owner", [failed, error] { history::recordNoted(failed, error); });
    }
    (void)tryTransaction("specql owner", [job] { endBatch(job); });
    return 0;
}

int doFailures(const Job* job) {
    return beginBatch(job) ? retryTogether(job) : retryOneByOne(job);
}

int doReleased(const Job* job) {
    if (beginBatch(job)) {
        (void)inOwnersTransaction([job] {
            (void)history::handleReleased(job->action, settings::batchSize);
            endBatch(job);
        });
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

int doWindow(const Job* job) {
    int64_t counted = -1;
    (void)inEnginesTransaction([job, &counted] {
        (void)spi::query("SELECT specql.evaluate_window($1, $2)",
                         {textArgument(job->action), {INT8OID, Int64GetDatum(windowBatch)}});
        bool isNull;
        counted = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isNull));
    });
    return counted < 0 ? failedMs : counted == 0 ? blockedMs : 0;
}

struct FunctionCall {
    pg_uuid_t id;
    Oid owner;
    const char* command;
    Datum payload;
};

void endFunctionCall(const FunctionCall* call, const char* problem) {
    runAsExtensionOwner([call, problem] {
        spi::connect();
        (void)spi::query("SELECT specql.end_function_call($1, nullif($2, ''))",
                         {{UUIDOID, UUIDPGetDatum(&call->id)}, textArgument(problem)});
        spi::finish();
    });
}

int doFunctions(const Job* job) {
    FunctionCall call = {{}, InvalidOid, nullptr, 0};
    MemoryContext keep = CurrentMemoryContext;
    bool good = inEnginesTransaction([job, keep, &call] {
        (void)spi::query("SELECT * FROM specql.claim_function_call($1)", {textArgument(job->action)});
        HeapTuple row = SPI_tuptable->vals[0];
        TupleDesc shape = SPI_tuptable->tupdesc;
        bool isNull;
        Datum id = SPI_getbinval(row, shape, 1, &isNull);
        if (isNull) return;
        MemoryContext spi = MemoryContextSwitchTo(keep);
        call.id = *DatumGetUUIDP(id);
        call.owner = DatumGetObjectId(SPI_getbinval(row, shape, 2, &isNull));
        call.command = SPI_getvalue(row, shape, 3);
        call.payload = PointerGetDatum(PG_DETOAST_DATUM_COPY(SPI_getbinval(row, shape, 4, &isNull)));
        MemoryContextSwitchTo(spi);
    });
    if (!good) return failedMs;
    if (call.command == nullptr) return settings::pollInterval;
    ErrorData* error = inOwnersTransaction([&call] {
        ErrorData* problem = outbox::runCommandAs(call.owner, call.command, call.payload);
        endFunctionCall(&call, problem != nullptr ? messageOf(problem) : "");
    });
    if (error != nullptr)
        (void)tryTransaction("specql owner", [&call, error] { endFunctionCall(&call, messageOf(error)); });
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
    Datum ids = 0;
    const char* function = nullptr;
    MemoryContext keep = CurrentMemoryContext;
    bool good = inEnginesTransaction([job, keep, &ids, &function] {
        (void)spi::query("SELECT * FROM specql.claim_finished($1)", {textArgument(job->action)});
        HeapTuple row = SPI_tuptable->vals[0];
        bool isNull;
        MemoryContext spi = MemoryContextSwitchTo(keep);
        ids = PointerGetDatum(PG_DETOAST_DATUM_COPY(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isNull)));
        function = SPI_getvalue(row, SPI_tuptable->tupdesc, 2);
        MemoryContextSwitchTo(spi);
    });
    if (!good) return failedMs;
    if (ArrayGetNItems(ARR_NDIM(DatumGetArrayTypeP(ids)), ARR_DIMS(DatumGetArrayTypeP(ids))) == 0) return blockedMs;
    ErrorData* error = inOwnersTransaction([job, ids, function] {
        ErrorData* problem = function != nullptr ? outbox::callProcessed(function, ids) : nullptr;
        endFinished(job, ids, problem != nullptr ? messageOf(problem) : "");
    });
    if (error != nullptr)
        (void)tryTransaction("specql owner", [job, ids, error] { endFinished(job, ids, messageOf(error)); });
    return 0;
}

struct Kind {
    const char* name;
    int (*work)(const Job*);
};
constexpr Kind kinds[] = {{"failures", doFailures},
                          {"released", doReleased},
                          {"window", doWindow},
                          {"functions", doFunctions},
                          {"finished", doFinished}};

// ---- what is due --------------------------------------------------------------------------------------------------

bool sameJob(const Job* one, const Job* other) {
    return strcmp(one->kind, other->kind) == 0 && strcmp(one->action, other->action) == 0;
}

int64_t heldFor(const Job* job) {
    ListCell* cell;
    foreach (cell, self.held) {
        const auto* held = static_cast<const Held*>(lfirst(cell));
        if (sameJob(&held->job, job)) return millisecondsUntil(held->until);
    }
    return 0;
}

void hold(const Job* job, int ms) {
    MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
    ListCell* cell;
    Held* held = nullptr;
    foreach (cell, self.held)
        if (sameJob(&static_cast<Held*>(lfirst(cell))->job, job)) held = static_cast<Held*>(lfirst(cell));
    if (held == nullptr) {
        held = static_cast<Held*>(palloc(sizeof(Held)));
        held->job = {pstrdup(job->kind), pstrdup(job->action), 0};
        self.held = lappend(self.held, held);
    }
    held->until = later(ms);
    MemoryContextSwitchTo(before);
}

// In the current memory context.
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
            if (int pause = kind.work(job)) hold(job, pause);
}

// One stretch of all that is due. False if nothing was; then `soonestMs` says when something will be.
bool work(int64_t* soonestMs) {
    int count;
    Job* jobs = findJobs(&count);
    bool worked = false;
    *soonestMs = settings::pollInterval;
    for (int i = 0; i < count && !turnIsOver() && !self.gone; ++i) {
        int64_t inMs = Max(jobs[i].dueMs, heldFor(&jobs[i]));
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

void serve() {
    TimestampTz lastWork = GetCurrentTimestamp();
    self.turnBegan = lastWork;
    while (!turnIsOver() && !self.gone) {
        TimestampTz begun = GetCurrentTimestamp();
        ResetLatch(MyLatch);
        CHECK_FOR_INTERRUPTS();
        endWithPostmaster();
        if (ConfigReloadPending) {
            ConfigReloadPending = false;
            ProcessConfigFile(PGC_SIGHUP);
        }
        if (settings::workerMode == settings::workerOff || databaseIsWanted()) return;
        if (!holdLock(LockKind::owner, self.owner)) return;
        int64_t soonestMs;
        MemoryContextReset(self.round);
        MemoryContextSwitchTo(self.round);
        if (work(&soonestMs)) {
            lastWork = GetCurrentTimestamp();
            continue;
        }
        if (othersWait() || GetCurrentTimestamp() >= lastWork + idleMs * INT64CONST(1000)) return;
        pgstat_report_stat(true);
        TimestampTz due = GetCurrentTimestamp() + Max(soonestMs, 1) * INT64CONST(1000);
        if (!sleepUntilWork(Max(soonestMs, 1))) return;
        self.turnBegan = GetCurrentTimestamp();
        int64_t rest = Min(millisecondsUntil(begun + restMs * 1000), millisecondsUntil(due));
        if (rest > 0) (void)WaitLatch(MyLatch, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, rest, PG_WAIT_EXTENSION);
    }
}

void report(OwnerState state) {
    if (self.board != nullptr) self.board->states[self.slot] = state;
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
    OwnerOrder order;
    memcpy(&order, MyBgworkerEntry->bgw_extra, sizeof order);
    memset(&self, 0, sizeof self);
    self.owner = order.owner;
    self.slot = order.slot;
    BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(argument), order.restricted ? InvalidOid : order.owner,
                                              order.restricted ? 0 : compat::withoutLogin);
    if (dsm_segment* segment = dsm_attach(order.board)) {
        dsm_pin_mapping(segment);
        self.board = static_cast<OwnersBoard*>(dsm_segment_address(segment));
    }
    report(OwnerState::connected);
    pgstat_report_appname("specql owner worker");
    setUpSession();
    self.overtime = RegisterTimeout(USER_TIMEOUT, atOvertime);
    if (settings::workerMode != settings::workerOff && holdLock(LockKind::owner, order.owner))
        atBoundary([] {
            self.round = AllocSetContextCreate(TopMemoryContext, "specql round", ALLOCSET_DEFAULT_SIZES);
            serve();
        });
    report(OwnerState::ended);
    proc_exit(0);
}
}
