#include "pg/worker/owner_jobs.hpp"

#include "pg/base/worker_settings.hpp"
#include "pg/history/released.hpp"
#include "pg/history/retry.hpp"
#include "pg/outbox/owned_calls.hpp"
#include "pg/processes/loop.hpp"
#include "pg/worker/owner_session.hpp"

extern "C" {
#include "utils/fmgrprotos.h"
}

namespace specql::worker {

namespace {

constexpr int batchMs = 1000;          // after so long, a transaction begins no further event
constexpr int blockedMs = 200;         // pause of a window whose events wait for an open transaction
constexpr int contendedMs = 2 * 1000;  // pause of an action whose event met a lock or an outage
constexpr int failedMs = 10 * 1000;    // pause after an error of the engine's own statements
constexpr int64_t windowBatch = 1000;
constexpr int windowLookShare = 4;  // counting takes as many times the part of the time that a look may take

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

// What is due is handled at once, too. Events that were raised for later wait for any actions, which are other jobs.
int doTime(const Job* job) {
    const Job events = {"released", job->action, 0};
    bool begun = false;
    bool good = inEnginesTransaction([job, &events, &begun] {
        (void)spi::query("SELECT specql.raise_time($1, $2)", {textArgument(job->kind), textArgument(job->action)});
        begun = spi::query(beginMatchesSql, {textArgument(events.action), textArgument(events.kind)}) == 1;
    });
    if (!good) return failedMs;
    if (begun) handleTogether(&events);
    return begun ? 0 : blockedMs;
}

int goOnTogether(const Job* job) {
    bool contended = false;
    int done = 0;
    (void)inOwnersTransaction(job->action, [job, &contended, &done] {
        TimestampTz stopAt = later(batchMs);
        while (done < settings::batchSize && GetCurrentTimestamp() < stopAt &&
               processes::advanceNext(job->action, &contended))
            ++done;
        endBatch(job);
    });
    return contended ? contendedMs : done == 0 ? blockedMs : 0;
}

int goOnOneByOne(const Job* job) {
    for (int i = 0; i < settings::batchSize; ++i) {
        if (turnIsOver() || self.isGone) return 0;
        pg_uuid_t process;
        bool found = false;
        ErrorData* problem = tryTransaction("specql owner", [job, &process, &found] {
            if (canWork()) found = processes::countProcess(job->action, &process);
        });
        if (problem != nullptr) return failedMs;
        if (!found) break;
        const pg_uuid_t* id = &process;
        if (ErrorData* error = inOwnersTransaction(job->action, [id] { processes::goOnCounted(id); }))
            (void)tryTransaction("specql owner",
                                 [job, id, error] { processes::recordCounted(job->action, id, error); });
    }
    (void)tryTransaction("specql owner", [job] { endBatch(job); });
    return 0;
}

int doProcess(const Job* job) {
    return beginBatch(job) ? goOnTogether(job) : goOnOneByOne(job);
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

void endUpkeep(const Job* job, const char* problem) {
    runAsExtensionOwner([job, problem] {
        spi::connect();
        (void)spi::query("SELECT specql.end_upkeep($1, nullif($2, ''))",
                         {textArgument(job->action), textArgument(problem)});
        spi::finish();
    });
}

int doUpkeep(const Job* job) {
    Oid owner = InvalidOid;
    const char* command = nullptr;
    MemoryContext keep = CurrentMemoryContext;
    bool good = inEnginesTransaction([job, keep, &owner, &command] {
        (void)spi::query("SELECT * FROM specql.claim_upkeep($1)", {textArgument(job->action)});
        bool isNull;
        owner = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isNull));
        MemoryContext spi = MemoryContextSwitchTo(keep);
        command = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2);
        MemoryContextSwitchTo(spi);
    });
    if (!good) return failedMs;
    if (command == nullptr) return blockedMs;
    ErrorData* error = inOwnersTransaction(job->action, [job, owner, command] {
        Datum nothing = DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"));
        ErrorData* problem = outbox::runCommandAs(owner, command, nothing, nullptr, 0);
        endUpkeep(job, problem != nullptr ? problem->message : "");
    });
    if (error != nullptr) (void)tryTransaction("specql owner", [job, error] { endUpkeep(job, error->message); });
    return 0;
}

struct Kind {
    const char* name;
    int (*work)(const Job*);
};
constexpr Kind kinds[] = {{"failures", doFailures},   {"released", doReleased}, {"window", doWindow},
                          {"schedule", doTime},       {"due", doTime},          {"later", doTime},
                          {"functions", doFunctions}, {"finished", doFinished}, {"upkeep", doUpkeep},
                          {"process", doProcess}};

}  // namespace

int runJob(const Job* job) {
    for (const Kind& kind : kinds)
        if (strcmp(kind.name, job->kind) == 0) return kind.work(job);
    return 0;
}

}  // namespace specql::worker
