// specql.retry and specql.retry_due: failed events are given to their handlers again. What waited for an action that is
// resumed is due too.
#include "pg/bridge/entry.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/bridge/subtransaction.hpp"
#include "pg/events/failure.hpp"
#include "pg/events/past.hpp"
#include "pg/events/settings.hpp"
#include "pg/events/waiting.hpp"

namespace specql {

namespace {

#define FAILED_COLUMNS PAST_COLUMNS ", attempts, message"

// Claims are row locks: they end with the transaction, whether it commits or dies.
const char* const claimDueSql = "SELECT " FAILED_COLUMNS R"( FROM specql.failure
WHERE status = 'failed' AND next_attempt_at <= $1
ORDER BY next_attempt_at, id LIMIT $2 FOR UPDATE SKIP LOCKED)";

const char* const claimEventSql = "SELECT " FAILED_COLUMNS R"( FROM specql.failure
WHERE id = $1 AND ($2 IS NULL OR action = $2) AND specql.sees(action)
ORDER BY action FOR UPDATE SKIP LOCKED)";

const char* const doneSql = "DELETE FROM specql.failure WHERE id = $1 AND action = $2";

// ---- claiming
// ----------------------------------------------------------------------------------------------------------

PastEvent readFailed(HeapTuple tuple, TupleDesc descriptor) {
    PastEvent failed = readPast(tuple, descriptor);
    bool isNull;
    failed.attempts = DatumGetInt32(SPI_getbinval(tuple, descriptor, pastColumns + 1, &isNull));
    failed.message = SPI_getvalue(tuple, descriptor, pastColumns + 2);
    return failed;
}

// The claimed rows in the current memory context; `count` of them.
PastEvent* claim(const char* sql, Oid* types, Datum* values, const char* nulls, uint64_t* count) {
    MemoryContext caller = CurrentMemoryContext;
    SPI_connect();
    int code = SPI_execute_with_args(sql, 2, types, values, nulls, false, 0);
    if (code != SPI_OK_SELECT)
        elog(ERROR, "specql: claiming failures gave %s", SPI_result_code_string(code));
    MemoryContext spi = MemoryContextSwitchTo(caller);
    *count = SPI_processed;
    auto* result = static_cast<PastEvent*>(palloc(sizeof(PastEvent) * (SPI_processed + 1)));
    for (uint64_t i = 0; i < SPI_processed; ++i)
        result[i] = readFailed(SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
    MemoryContextSwitchTo(spi);
    SPI_finish();
    return result;
}

// ---- trying
// ------------------------------------------------------------------------------------------------------------

void tryAgain(const PastEvent* failed) {
    handlePast(failed, 1, false);
    Oid types[2] = {UUIDOID, TEXTOID};
    Datum values[2] = {UUIDPGetDatum(&failed->id), CStringGetTextDatum(failed->action)};
    SPI_connect();
    SPI_execute_with_args(doneSql, 2, types, values, nullptr, false, 0);
    SPI_finish();
}

// The actions of which one call has warned.
struct Warned {
    MemoryContext context;
    List* actions;
};

// True if the event is handled now. Warns of an action once: one that fails for all of ten thousand events must not
// fill the server's log each time they are tried.
bool retryOne(const PastEvent* failed, Warned* warned) {
    ErrorData* error = trySubtransaction([failed] { tryAgain(failed); });
    if (error == nullptr)
        return true;
    recordFailureAgain(&failed->id, failed->action, error, error->sqlerrcode == sqlstate::cascadeTooDeep);
    ListCell* cell;
    foreach (cell, warned->actions)
        if (strcmp(static_cast<const char*>(lfirst(cell)), failed->action) == 0)
            return false;
    MemoryContext before = MemoryContextSwitchTo(warned->context);
    warned->actions = lappend(warned->actions, pstrdup(failed->action));
    MemoryContextSwitchTo(before);
    ereport(WARNING,
            (errcode(error->sqlerrcode), errmsg("action %s failed again: %s", failed->action, error->message)));
    return false;
}

}  // namespace

SPECQL_FUNCTION(specql_retry) {
    if (PG_ARGISNULL(0))
        PG_RETURN_INT32(0);
    Oid types[2] = {UUIDOID, TEXTOID};
    Datum values[2] = {PG_GETARG_DATUM(0), PG_ARGISNULL(1) ? 0 : PG_GETARG_DATUM(1)};
    const char nulls[3] = {' ', PG_ARGISNULL(1) ? 'n' : ' ', '\0'};
    uint64_t count;
    PastEvent* failed = claim(claimEventSql, types, values, nulls, &count);
    int handled = 0;
    Warned warned = {CurrentMemoryContext, NIL};
    for (uint64_t i = 0; i < count; ++i)
        handled += retryOne(&failed[i], &warned) ? 1 : 0;
    PG_RETURN_INT32(handled);
}

SPECQL_FUNCTION(specql_retry_due) {
    int64_t limit = PG_ARGISNULL(0) ? PG_INT64_MAX : PG_GETARG_INT32(0);
    int64_t done = 0;
    Warned warned = {CurrentMemoryContext, NIL};
    MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "specql drain", ALLOCSET_DEFAULT_SIZES);
    MemoryContext before = MemoryContextSwitchTo(scratch);
    while (done < limit) {
        // What fails again is due after this statement's start, and so is not claimed a second time.
        Oid types[2] = {TIMESTAMPTZOID, INT8OID};
        Datum values[2] = {TimestampTzGetDatum(GetCurrentStatementStartTimestamp() + settings::clockOffset),
                           Int64GetDatum(Min(limit - done, static_cast<int64_t>(settings::batchSize)))};
        uint64_t count;
        PastEvent* failed = claim(claimDueSql, types, values, nullptr, &count);
        if (count == 0)
            break;
        for (uint64_t i = 0; i < count; ++i) {
            retryOne(&failed[i], &warned);
            CHECK_FOR_INTERRUPTS();
        }
        done += static_cast<int64_t>(count);
        MemoryContextReset(scratch);
    }
    MemoryContextSwitchTo(before);
    MemoryContextDelete(scratch);
    if (done < limit)
        done += handleReleased(nullptr, limit - done);
    PG_RETURN_INT32(static_cast<int32>(done));
}

}  // namespace specql
