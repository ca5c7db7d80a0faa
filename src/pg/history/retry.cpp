// specql.retry, specql.retry_due and the retries of owner workers: failed events are given to their handlers again.
// specql.retry_due also handles released events.
#include "pg/history/retry.hpp"
#include "pg/history/released.hpp"

#include "pg/base/clock.hpp"
#include "pg/base/event_settings.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/bridge/subtransaction.hpp"
#include "pg/capture/failure.hpp"
#include "pg/capture/registry.hpp"
#include "pg/capture/tellable.hpp"
#include "pg/handling/run.hpp"
#include "pg/handling/waiting.hpp"

namespace specql::history {

namespace {

#define FAILED_COLUMNS PAST_COLUMNS ", attempts, message"

// Failures are claimed by row locks, so a claim ends with the transaction, also if that is aborted.
const char* const claimDueSql = "SELECT " FAILED_COLUMNS R"( FROM specql.failure
WHERE status = 'failed' AND next_attempt_at <= $1 AND ($3 IS NULL OR action = ANY ($3))
ORDER BY next_attempt_at, id LIMIT $2 FOR UPDATE SKIP LOCKED)";

const char* const claimOfActionSql = "SELECT " FAILED_COLUMNS R"( FROM specql.failure
WHERE status = 'failed' AND next_attempt_at <= $1 AND action = $3
ORDER BY next_attempt_at, id LIMIT $2 FOR UPDATE SKIP LOCKED)";

const char* const claimEventSql = "SELECT " FAILED_COLUMNS R"( FROM specql.failure
WHERE id = $1 AND ($2 IS NULL OR action = $2) AND ($3 OR specql.sees(action))
ORDER BY action FOR UPDATE SKIP LOCKED)";

const char* const doneSql = "DELETE FROM specql.failure WHERE id = $1 AND action = $2";

const char* const countAttemptSql = R"(
UPDATE specql.failure AS f
SET status = t.status, attempts = t.attempts, sqlstate = '57P01', message = 'the attempt ended its session',
    detail = NULL, hint = NULL, context = NULL, last_failed_at = clock_timestamp(), next_attempt_at = t.next_attempt_at
FROM specql.failure AS g, specql.next_attempt($2, g.attempts, '57P01', g.first_failed_at, false) AS t
WHERE f.id = $1 AND f.action = $2 AND g.id = $1 AND g.action = $2)";

struct Arguments {
    Oid types[3];
    Datum values[3];
    char nulls[4];
};

// ---- claiming -----------------------------------------------------------------------------------------------------

PastEvent readFailed(HeapTuple tuple, TupleDesc descriptor) {
    PastEvent failed = readPast(tuple, descriptor);
    bool isNull;
    failed.attempts = DatumGetInt32(SPI_getbinval(tuple, descriptor, pastColumns + 1, &isNull));
    failed.message = SPI_getvalue(tuple, descriptor, pastColumns + 2);
    return failed;
}

// Claims rows; returns the `count` events that were claimed, in the current memory context.
PastEvent* claim(const char* sql, Arguments* arguments, uint64_t* count) {
    PastEvent* result = nullptr;
    runAsExtensionOwner([sql, arguments, count, &result] {
        MemoryContext caller = CurrentMemoryContext;
        SPI_connect();
        int code = SPI_execute_with_args(sql, 3, arguments->types, arguments->values, arguments->nulls, false, 0);
        if (code != SPI_OK_SELECT) elog(ERROR, "specql: claiming failures gave %s", SPI_result_code_string(code));
        MemoryContext spi = MemoryContextSwitchTo(caller);
        *count = SPI_processed;
        result = static_cast<PastEvent*>(palloc(sizeof(PastEvent) * (SPI_processed + 1)));
        for (uint64_t i = 0; i < SPI_processed; ++i)
            result[i] = readFailed(SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
        MemoryContextSwitchTo(spi);
        SPI_finish();
    });
    return result;
}

PastEvent* claimOfAction(const char* action, TimestampTz now, int64_t limit, uint64_t* count) {
    Arguments arguments = {{TIMESTAMPTZOID, INT8OID, TEXTOID},
                           {TimestampTzGetDatum(now), Int64GetDatum(limit), CStringGetTextDatum(action)},
                           "   "};
    return claim(claimOfActionSql, &arguments, count);
}

PastEvent* claimEvent(const PastEvent* failed, uint64_t* count) {
    Arguments arguments = {{UUIDOID, TEXTOID, BOOLOID},
                           {UUIDPGetDatum(&failed->id), CStringGetTextDatum(failed->action), BoolGetDatum(true)},
                           "   "};
    return claim(claimEventSql, &arguments, count);
}

void executeForEvent(const char* sql, const PastEvent* failed) {
    runAsExtensionOwner([sql, failed] {
        Oid types[2] = {UUIDOID, TEXTOID};
        Datum values[2] = {UUIDPGetDatum(&failed->id), CStringGetTextDatum(failed->action)};
        SPI_connect();
        int code = SPI_execute_with_args(sql, 2, types, values, nullptr, false, 0);
        if (code < 0) elog(ERROR, "specql: writing down an attempt gave %s", SPI_result_code_string(code));
        SPI_finish();
    });
}

// ---- trying -------------------------------------------------------------------------------------------------------

void tryAgain(const PastEvent* failed) {
    handlePast(failed, 1, false);
    executeForEvent(doneSql, failed);
}

// What became of an action's events in one call of a retry function.
struct TriedAction {
    const char* name;
    int64_t tried, failed;
    int sqlerrcode;       // of the first that failed
    const char* message;  // the same
    bool held;            // one met an error that the others share, so those are postponed
};

// The TriedActions of a call. They live in `context`, as events are freed batch by batch.
struct Call {
    MemoryContext context;
    List* actions;
};

TriedAction* actionIn(Call* call, const char* name) {
    ListCell* cell;
    foreach (cell, call->actions) {
        auto* action = static_cast<TriedAction*>(lfirst(cell));
        if (strcmp(action->name, name) == 0) return action;
    }
    MemoryContext before = MemoryContextSwitchTo(call->context);
    auto* action = static_cast<TriedAction*>(palloc0(sizeof(TriedAction)));
    action->name = pstrdup(name);
    call->actions = lappend(call->actions, action);
    MemoryContextSwitchTo(before);
    return action;
}

// True if the event is handled now.
bool retryOne(const PastEvent* failed, Call* call) {
    TriedAction* action = actionIn(call, failed->action);
    ++action->tried;
    ErrorData* raised = trySubtransaction([failed] { tryAgain(failed); });
    if (raised == nullptr) return true;
    const ErrorData* error = capture::tellable(failed->action, raised);
    capture::recordFailureAgain(&failed->id, failed->action, error, error->sqlerrcode == sqlstate::cascadeTooDeep);
    handling::SharedError shared = {};
    if (handling::isShared(failed->action, error, &shared)) action->held = true;
    if (action->failed++ > 0) return false;
    action->sqlerrcode = error->sqlerrcode;
    action->message = MemoryContextStrdup(call->context, error->message);
    return false;
}

// One warning for each action, and not for each of thousands of events.
void warn(const Call* call) {
    ListCell* cell;
    foreach (cell, call->actions) {
        const auto* action = static_cast<const TriedAction*>(lfirst(cell));
        if (action->failed == 0) continue;
        ereport(WARNING, (errcode(action->sqlerrcode), errmsg("action %s failed again for %lld of %lld events: %s",
                                                              action->name, static_cast<long long>(action->failed),
                                                              static_cast<long long>(action->tried), action->message)));
    }
}

// The names (text[]) of the actions whose events the caller may have retried; 0 stands for all.
Datum visibleActions() {
    Datum actions = 0;
    MemoryContext caller = CurrentMemoryContext;
    SPI_connect();
    if (SPI_execute("SELECT specql.visible_actions()", true, 1) != SPI_OK_SELECT)
        elog(ERROR, "specql: asking for visible actions failed");
    bool isNull;
    Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isNull);
    if (!isNull) {
        MemoryContext spi = MemoryContextSwitchTo(caller);
        actions = PointerGetDatum(DatumGetArrayTypePCopy(value));
        MemoryContextSwitchTo(spi);
    }
    SPI_finish();
    return actions;
}

}  // namespace

int64_t retryAction(const char* action, int64_t limit, TimestampTz stopAt, bool* held) {
    Call call = {CurrentMemoryContext, NIL};
    uint64_t count;
    PastEvent* failed = claimOfAction(action, engineTime(), limit, &count);
    const TriedAction* tried = actionIn(&call, action);
    int64_t done = 0;
    while (done < static_cast<int64_t>(count) && !tried->held) {
        (void)retryOne(&failed[done++], &call);
        CHECK_FOR_INTERRUPTS();
        if (GetCurrentTimestamp() >= stopAt) break;
    }
    warn(&call);
    *held = tried->held;
    return done;
}

PastEvent* countAttempt(const char* action) {
    uint64_t count;
    PastEvent* failed = claimOfAction(action, engineTime(), 1, &count);
    if (count == 0) return nullptr;
    executeForEvent(countAttemptSql, failed);
    return failed;
}

void retryCounted(const PastEvent* failed) {
    // Somebody may have retried it by specql.retry() meanwhile.
    uint64_t count;
    (void)claimEvent(failed, &count);
    if (count > 0) tryAgain(failed);
}

void recordCountedError(const PastEvent* failed, const ErrorData* error) {
    capture::recordCountedFailure(&failed->id, failed->action, error);
}

bool tellsPrivate(const char* action) {
    return capture::tellsPrivate(action);
}

const char* tellableMessage(const char* action, const ErrorData* error) {
    const char* message = capture::tellable(action, error)->message;
    return message != nullptr ? message : "it failed";
}

SPECQL_FUNCTION(specql_retry) {
    if (PG_ARGISNULL(0)) PG_RETURN_INT32(0);
    Arguments arguments = {{UUIDOID, TEXTOID, BOOLOID},
                           {PG_GETARG_DATUM(0), PG_ARGISNULL(1) ? 0 : PG_GETARG_DATUM(1), BoolGetDatum(false)},
                           {' ', PG_ARGISNULL(1) ? 'n' : ' ', ' ', '\0'}};
    uint64_t count;
    PastEvent* failed = claim(claimEventSql, &arguments, &count);
    int handled = 0;
    Call call = {CurrentMemoryContext, NIL};
    for (uint64_t i = 0; i < count; ++i)
        handled += retryOne(&failed[i], &call) ? 1 : 0;
    warn(&call);
    PG_RETURN_INT32(handled);
}

SPECQL_FUNCTION(specql_retry_due) {
    int64_t limit = PG_ARGISNULL(0) ? PG_INT64_MAX : PG_GETARG_INT32(0);
    int64_t done = 0;
    Call call = {CurrentMemoryContext, NIL};
    Datum actions = visibleActions();
    MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "specql drain", ALLOCSET_DEFAULT_SIZES);
    MemoryContext before = MemoryContextSwitchTo(scratch);
    while (done < limit) {
        // An event that fails again is due later than the start of this statement, so it is not claimed a second time.
        Arguments arguments = {{TIMESTAMPTZOID, INT8OID, TEXTARRAYOID},
                               {TimestampTzGetDatum(GetCurrentStatementStartTimestamp() + settings::clockOffset),
                                Int64GetDatum(Min(limit - done, static_cast<int64_t>(settings::batchSize))), actions},
                               {' ', ' ', actions == 0 ? 'n' : ' ', '\0'}};
        uint64_t count;
        PastEvent* failed = claim(claimDueSql, &arguments, &count);
        if (count == 0) break;
        for (uint64_t i = 0; i < count; ++i) {
            if (actionIn(&call, failed[i].action)->held)
                capture::postponeRetry(&failed[i].id, failed[i].action);
            else
                (void)retryOne(&failed[i], &call);
            CHECK_FOR_INTERRUPTS();
        }
        done += static_cast<int64_t>(count);
        MemoryContextReset(scratch);
    }
    MemoryContextSwitchTo(before);
    MemoryContextDelete(scratch);
    warn(&call);
    if (done < limit) done += handleReleased(nullptr, limit - done);
    PG_RETURN_INT32(static_cast<int32>(done));
}

}  // namespace specql::history
