// specql.retire_leased: calls of leases that are done go to the history. It is SQL's work, but done for every call.
#include "pg/base/table_writer.hpp"
#include "pg/base/tables.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/outbox/columns.hpp"

extern "C" {
#include "access/genam.h"
#include "access/heapam.h"
#include "funcapi.h"
#include "utils/fmgroids.h"
}

namespace specql::outbox {

namespace {

// The columns of specql.lease, counted from 1.
namespace leased {
enum Column {
    number = 1,
    service,
    action,
    owner,
    definition,
    logSlot,
    ids,
    eventIds,
    createdAt,
    lastId,
    by,
    until,
    partial
};
}

struct Array {
    Datum* values;
    bool* nulls;
    int count;
};

Array arrayOf(Datum array, Oid type, int width, bool byValue, char align) {
    Array result;
    deconstruct_array(DatumGetArrayTypeP(array), type, width, byValue, align, &result.values, &result.nulls,
                      &result.count);
    return result;
}

Array uuidsOf(Datum array) {
    return arrayOf(array, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR);
}

Array textsOf(FunctionCallInfo fcinfo, int number) {
    if (PG_ARGISNULL(number)) return {nullptr, nullptr, 0};
    return arrayOf(PG_GETARG_DATUM(number), TEXTOID, -1, false, TYPALIGN_INT);
}

// What became of a call: the number of its element in the arguments.
struct Outcome {
    pg_uuid_t id;
    int element;
};

int compareIds(const void* one, const void* other) {
    return memcmp(static_cast<const Outcome*>(one)->id.data, static_cast<const Outcome*>(other)->id.data, UUID_LEN);
}

struct Work {
    Outcome* outcomes;  // of calls that are done, in the order of their ids
    int outcomeCount;
    Array errors, httpStatuses, responses;
    BulkWriter* history;
    Datum doneStatus, callKind;
    TimestampTz now;
    ArrayBuildState* events;
    ArrayBuildState* actions;
    int64 retired;
};

const Outcome* outcomeOf(const Work& work, const pg_uuid_t* id) {
    Outcome key = {*id, 0};
    return static_cast<const Outcome*>(
        bsearch(&key, work.outcomes, static_cast<size_t>(work.outcomeCount), sizeof(Outcome), compareIds));
}

bool isIn(const char* table, const char* index, Datum id) {
    Relation relation = table_open(tableOid(table), AccessShareLock);
    ScanKeyData key;
    ScanKeyInit(&key, Column::id + 1, BTEqualStrategyNumber, F_UUID_EQ, id);
    SysScanDesc scan = systable_beginscan(relation, tableOid(index), true, GetActiveSnapshot(), 1, &key);
    bool found = HeapTupleIsValid(systable_getnext(scan));
    systable_endscan(scan);
    table_close(relation, AccessShareLock);
    return found;
}

// As in the view specql.leased_call.
bool hasLeft(Datum id) {
    return isIn("delivery_history", "delivery_history_id", id) || isIn("outbox", "outbox_pkey", id) ||
           isIn("dead_letter", "dead_letter_pkey", id);
}

void set(TupleTableSlot* row, Column column, const Array& values, int element) {
    if (element < values.count && !values.nulls[element]) setColumn(row, column, values.values[element]);
}

// Writes the calls of a lease that are done to the history; how many.
int retireCalls(Work* work, const Datum* lease, const bool* isNull) {
    auto value = [lease](int column) { return lease[column - 1]; };
    Array ids = uuidsOf(value(leased::ids)), eventIds = uuidsOf(value(leased::eventIds));
    Array times = arrayOf(value(leased::createdAt), TIMESTAMPTZOID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
    bool partial = DatumGetBool(value(leased::partial));
    int done = 0;
    for (int i = 0; i < ids.count; ++i) {
        const Outcome* outcome = outcomeOf(*work, DatumGetUUIDP(ids.values[i]));
        if (outcome == nullptr || (partial && hasLeft(ids.values[i]))) continue;
        if (work->history == nullptr) work->history = openWriter("delivery_history", work->outcomeCount);
        TupleTableSlot* row = nextRow(work->history);
        setColumn(row, id, ids.values[i]);
        setColumn(row, kind, work->callKind);
        setColumn(row, service, value(leased::service));
        if (!eventIds.nulls[i]) setColumn(row, eventId, eventIds.values[i]);
        setColumn(row, status, work->doneStatus);
        setColumn(row, attempts, Int32GetDatum(1));
        setColumn(row, availableAt, times.values[i]);
        setColumn(row, createdAt, times.values[i]);
        setColumn(row, finishedAt, TimestampTzGetDatum(work->now));
        set(row, lastError, work->errors, outcome->element);
        set(row, httpStatus, work->httpStatuses, outcome->element);
        set(row, response, work->responses, outcome->element);
        constexpr struct {
            int from;
            Column to;
        } shared[] = {{leased::action, action},
                      {leased::owner, owner},
                      {leased::definition, definition},
                      {leased::logSlot, logSlot}};
        for (auto column : shared)
            if (!isNull[column.from - 1]) setColumn(row, column.to, value(column.from));
        writeRow(work->history);
        if (!eventIds.nulls[i]) {
            work->events = accumArrayResult(work->events, eventIds.values[i], false, UUIDOID, CurrentMemoryContext);
            work->actions = accumArrayResult(work->actions, value(leased::action), isNull[leased::action - 1], TEXTOID,
                                             CurrentMemoryContext);
        }
        ++done;
    }
    work->retired += done;
    return partial || done < ids.count ? -1 : done;
}

// A lease whose calls are all done ends here. Of the others the caller looks what is left.
void retireLease(Work* work, Relation table, int64 number) {
    ScanKeyData key;
    ScanKeyInit(&key, leased::number, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(number));
    SysScanDesc scan = systable_beginscan(table, tableOid("lease_pkey"), true, GetActiveSnapshot(), 1, &key);
    HeapTuple found = systable_getnext(scan);
    HeapTuple lease = HeapTupleIsValid(found) ? heap_copytuple(found) : nullptr;
    systable_endscan(scan);
    if (lease == nullptr) return;
    Datum values[leased::partial];
    bool isNull[leased::partial];
    heap_deform_tuple(lease, RelationGetDescr(table), values, isNull);
    if (retireCalls(work, values, isNull) > 0) simple_heap_delete(table, &lease->t_self);
}

Work beginWork(FunctionCallInfo fcinfo) {
    Work work;
    memset(&work, 0, sizeof work);
    Array ids = uuidsOf(PG_GETARG_DATUM(1)), verdicts = textsOf(fcinfo, 2);
    work.errors = textsOf(fcinfo, 3);
    if (!PG_ARGISNULL(4)) work.httpStatuses = arrayOf(PG_GETARG_DATUM(4), INT4OID, 4, true, TYPALIGN_INT);
    work.responses = textsOf(fcinfo, 5);
    work.doneStatus = CStringGetTextDatum("done");
    work.callKind = CStringGetTextDatum("call");
    work.now = GetCurrentTimestamp();
    work.outcomes = static_cast<Outcome*>(palloc(sizeof(Outcome) * static_cast<Size>(Max(ids.count, 1))));
    for (int i = 0; i < Min(ids.count, verdicts.count); ++i) {
        if (ids.nulls[i] || verdicts.nulls[i]) continue;
        text* verdict = DatumGetTextPP(verdicts.values[i]);
        if (VARSIZE_ANY_EXHDR(verdict) != 4 || memcmp(VARDATA_ANY(verdict), "done", 4) != 0) continue;
        work.outcomes[work.outcomeCount++] = {*DatumGetUUIDP(ids.values[i]), i};
    }
    qsort(work.outcomes, static_cast<size_t>(work.outcomeCount), sizeof(Outcome), compareIds);
    return work;
}

}  // namespace

// specql.retire_leased(leases, ids, verdicts, errors, http_statuses, responses) → (event_ids, actions, retired)
SPECQL_FUNCTION(specql_retire_leased) {
    TupleDesc descriptor;
    if (get_call_result_type(fcinfo, nullptr, &descriptor) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "specql: retire_leased returns a row");
    Work work = beginWork(fcinfo);
    Array leases = arrayOf(PG_GETARG_DATUM(0), INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
    Relation table = table_open(tableOid("lease"), RowExclusiveLock);
    for (int i = 0; i < leases.count && work.outcomeCount > 0; ++i)
        retireLease(&work, table, DatumGetInt64(leases.values[i]));
    table_close(table, NoLock);
    if (work.history != nullptr) closeWriter(work.history);
    bool nulls[] = {work.events == nullptr, work.actions == nullptr, false};
    Datum values[] = {nulls[0] ? 0 : makeArrayResult(work.events, CurrentMemoryContext),
                      nulls[1] ? 0 : makeArrayResult(work.actions, CurrentMemoryContext), Int64GetDatum(work.retired)};
    PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}

}  // namespace specql::outbox
