// specql.retry and specql.retry_due: failed events are given to their handlers again.
#include "pg/bridge/entry.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/bridge/subtransaction.hpp"
#include "pg/events/failure.hpp"
#include "pg/events/listeners.hpp"
#include "pg/events/rebuild.hpp"
#include "pg/events/run.hpp"
#include "pg/events/settings.hpp"

namespace specql {

namespace {

// A row of specql.failure.
struct Failed {
    pg_uuid_t id;
    const char* action;
    const char* type;
    Oid relation;          // InvalidOid for a custom event
    Datum data;
    TimestampTz time;
    Lineage lineage;
    int attempts;
    const char* message;
};

#define FAILED_COLUMNS "id, action, type, relation::oid, data, occurred_at, caused_by, root, depth, attempts, message"

// Claims are row locks: they end with the transaction, whether it commits or dies.
const char* const claimDueSql = "SELECT " FAILED_COLUMNS R"( FROM specql.failure
WHERE status = 'failed' AND next_attempt_at <= $1
ORDER BY next_attempt_at, id LIMIT $2 FOR UPDATE SKIP LOCKED)";

const char* const claimEventSql = "SELECT " FAILED_COLUMNS R"( FROM specql.failure
WHERE id = $1 AND ($2 IS NULL OR action = $2)
ORDER BY action FOR UPDATE SKIP LOCKED)";

const char* const doneSql = "DELETE FROM specql.failure WHERE id = $1 AND action = $2";

// ---- claiming
// ----------------------------------------------------------------------------------------------------------

const char* textColumn(HeapTuple tuple, TupleDesc descriptor, int column) {
    return SPI_getvalue(tuple, descriptor, column);
}

Failed readFailed(HeapTuple tuple, TupleDesc descriptor) {
    Failed failed;
    memset(&failed, 0, sizeof failed);
    bool isNull;
    failed.id = *DatumGetUUIDP(SPI_getbinval(tuple, descriptor, 1, &isNull));
    failed.action = textColumn(tuple, descriptor, 2);
    failed.type = textColumn(tuple, descriptor, 3);
    Datum relation = SPI_getbinval(tuple, descriptor, 4, &isNull);
    failed.relation = isNull ? InvalidOid : DatumGetObjectId(relation);
    Datum data = SPI_getbinval(tuple, descriptor, 5, &isNull);
    failed.data = isNull ? 0 : PointerGetDatum(DatumGetJsonbPCopy(data));
    failed.time = DatumGetTimestampTz(SPI_getbinval(tuple, descriptor, 6, &isNull));
    Datum causedBy = SPI_getbinval(tuple, descriptor, 7, &isNull);
    failed.lineage.caused = !isNull;
    if (!isNull)
        failed.lineage.causedBy = *DatumGetUUIDP(causedBy);
    failed.lineage.root = *DatumGetUUIDP(SPI_getbinval(tuple, descriptor, 8, &isNull));
    failed.lineage.depth = DatumGetInt32(SPI_getbinval(tuple, descriptor, 9, &isNull));
    failed.attempts = DatumGetInt32(SPI_getbinval(tuple, descriptor, 10, &isNull));
    failed.message = textColumn(tuple, descriptor, 11);
    return failed;
}

// The claimed rows in the current memory context; `count` of them.
Failed* claim(const char* sql, Oid* types, Datum* values, const char* nulls, uint64_t* count) {
    MemoryContext caller = CurrentMemoryContext;
    SPI_connect();
    int code = SPI_execute_with_args(sql, 2, types, values, nulls, false, 0);
    if (code != SPI_OK_SELECT)
        elog(ERROR, "specql: claiming failures gave %s", SPI_result_code_string(code));
    MemoryContext spi = MemoryContextSwitchTo(caller);
    *count = SPI_processed;
    auto* result = static_cast<Failed*>(palloc(sizeof(Failed) * (SPI_processed + 1)));
    for (uint64_t i = 0; i < SPI_processed; ++i)
        result[i] = readFailed(SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
    MemoryContextSwitchTo(spi);
    SPI_finish();
    return result;
}

// ---- trying
// ------------------------------------------------------------------------------------------------------------

[[noreturn]] void refuseUnknown(const Failed* failed) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("action %s does not handle %s any more", failed->action, failed->type),
                    errhint("Apply its spec again, or delete the failure.")));
    pg_unreachable();
}

Rule* listenerOf(const Failed* failed) {
    ListCell* cell;
    foreach (cell, listenersOf(failed->type)) {
        Rule* rule = static_cast<Rule*>(lfirst(cell));
        if (strcmp(rule->action, failed->action) == 0)
            return rule;
    }
    refuseUnknown(failed);
}

EventSet* setOf(Rule* rule, const Failed* failed, TupleTableSlot* row, int maskBytes) {
    EventSet* set = makeEventSet(rule, false);
    set->lineage = failed->lineage;
    set->attempts = failed->attempts;
    set->lastError = failed->message;
    row->tts_values[captured::time] = TimestampTzGetDatum(failed->time);
    row->tts_isnull[captured::time] = false;
    appendEvent(set, row, rule->mask, maskBytes);
    set->ids = static_cast<pg_uuid_t*>(MemoryContextAlloc(set->context, sizeof(pg_uuid_t)));
    *set->ids = failed->id;
    return set;
}

EventSet* customEvent(const Failed* failed) {
    Rule* rule = listenerOf(failed);
    TupleTableSlot* row = MakeSingleTupleTableSlot(rule->shape, &TTSOpsVirtual);
    row->tts_values[captured::data] = failed->data;
    row->tts_isnull[captured::data] = false;
    row->tts_isnull[captured::subject] = true;
    row->tts_isnull[captured::time] = false;
    row->tts_isnull[captured::branches] = false;
    ExecStoreVirtualTuple(row);
    return setOf(rule, failed, row, 0);
}

EventSet* rowEvent(const Failed* failed) {
    if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(failed->relation)))
        refuseUnknown(failed);
    Relation relation = table_open(failed->relation, AccessShareLock);
    Rule* rule = findRule(relation, failed->action);
    if (rule == nullptr)
        refuseUnknown(failed);
    RebuiltEvent event = rebuildEvent(rule, relation, DatumGetJsonbP(failed->data));
    table_close(relation, NoLock);
    return setOf(rule, failed, event.row, event.maskBytes);
}

void tryAgain(const Failed* failed) {
    EventSet* set = OidIsValid(failed->relation) ? rowEvent(failed) : customEvent(failed);
    if (const char* chain = cascadeChain(set))
        ereport(ERROR, (errcode(sqlstate::cascadeTooDeep),
                        errmsg("event %s would be number %d of a cascade; specql.max_cascade_depth is %d", failed->type,
                               failed->lineage.depth, settings::maxCascadeDepth),
                        errdetail("The chain of actions is %s.", chain)));
    runHandler(set, 0, 1, nullptr);
    dropEventSet(set);
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
bool retryOne(const Failed* failed, Warned* warned) {
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
    Failed* failed = claim(claimEventSql, types, values, nulls, &count);
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
        Datum values[2] = {TimestampTzGetDatum(GetCurrentStatementStartTimestamp()),
                           Int64GetDatum(Min(limit - done, static_cast<int64_t>(settings::batchSize)))};
        uint64_t count;
        Failed* failed = claim(claimDueSql, types, values, nullptr, &count);
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
    PG_RETURN_INT32(static_cast<int32>(done));
}

}  // namespace specql
