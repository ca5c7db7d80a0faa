#include "pg/history/rebuild.hpp"

#include "pg/base/tables.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/bridge/restricted.hpp"
#include "pg/bridge/result_set.hpp"
#include "pg/bridge/settings.hpp"
#include "pg/bridge/spi.hpp"
#include "pg/capture/evaluation.hpp"
#include "pg/capture/frame.hpp"
#include "pg/capture/images.hpp"
#include "pg/capture/whole_images.hpp"

extern "C" {
#include "utils/fmgroids.h"
}

namespace specql::history {

namespace {

// The object under `key`; nullptr if it is not there or null.
Jsonb* objectAt(Jsonb* data, const char* key) {
    if (data == nullptr || !JB_ROOT_IS_OBJECT(data)) return nullptr;
    JsonbValue* value = getKeyJsonValueFromContainer(&data->root, key, static_cast<int>(strlen(key)), nullptr);
    return value == nullptr || value->type != jbvBinary ? nullptr : JsonbValueToJsonb(value);
}

bool hasKey(Jsonb* data, const char* key) {
    return data != nullptr && JB_ROOT_IS_OBJECT(data) &&
           getKeyJsonValueFromContainer(&data->root, key, static_cast<int>(strlen(key)), nullptr) != nullptr;
}

// `formerNames` is a table whose second column is `relation`.
bool isIn(Oid formerNames, Oid table) {
    constexpr AttrNumber relation = 2;
    Relation formers = table_open(formerNames, AccessShareLock);
    ScanKeyData key;
    ScanKeyInit(&key, relation, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(table));
    TableScanDesc scan = table_beginscan(formers, GetActiveSnapshot(), 1, &key);
    bool found = heap_getnext(scan, ForwardScanDirection) != nullptr;
    table_endscan(scan);
    table_close(formers, AccessShareLock);
    return found;
}

bool hasFormerNames(Oid table) {
    return isIn(tableOid("former_column"), table) || isIn(tableOid("former_value"), table);
}

// What was logged of a row, read with the names that its columns, and values of enums, have now; `function` is one of
// specql.with_present_names and specql.event_with_present_names.
Jsonb* withPresentNames(Relation relation, Jsonb* logged, const char* function) {
    if (logged == nullptr || !hasFormerNames(RelationGetRelid(relation))) return logged;
    MemoryContext caller = CurrentMemoryContext;
    Jsonb* result = nullptr;
    spi::connect();
    runAsExtensionOwner([relation, logged, function, caller, &result] {
        spi::query(psprintf("SELECT specql.%s($1, $2)", function),
                   {{REGCLASSOID, ObjectIdGetDatum(RelationGetRelid(relation))}, {JSONBOID, JsonbPGetDatum(logged)}});
        bool isNull;
        Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isNull);
        MemoryContext before = MemoryContextSwitchTo(caller);
        result = DatumGetJsonbPCopy(value);
        MemoryContextSwitchTo(before);
    });
    spi::finish();
    return result;
}

// The row of the table that `expression` makes of $1, in the current memory context. In the expression %s stands for
// the table. Input functions and domain checks run, so the caller must have switched to a role and a search path that
// are safe for them.
TupleTableSlot* rowOf(Relation relation, const char* expression, Oid type, Datum value) {
    const char* table = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
                                                   RelationGetRelationName(relation));
    const char* sql = psprintf("SELECT %s", psprintf(expression, table));
    MemoryContext caller = CurrentMemoryContext;
    SPI_connect();
    int code = SPI_execute_with_args(sql, 1, &type, &value, nullptr, false, 1);
    if (code != SPI_OK_SELECT || SPI_processed != 1)
        elog(ERROR, "specql: reading a logged row gave %s", SPI_result_code_string(code));
    bool isNull;
    Datum composite = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isNull);
    MemoryContext spi = MemoryContextSwitchTo(caller);
    HeapTupleHeader header = DatumGetHeapTupleHeaderCopy(composite);
    MemoryContextSwitchTo(spi);
    SPI_finish();
    auto* tuple = static_cast<HeapTuple>(palloc0(sizeof(HeapTupleData)));
    tuple->t_len = HeapTupleHeaderGetDatumLength(header);
    tuple->t_data = header;
    TupleTableSlot* slot = MakeSingleTupleTableSlot(CreateTupleDescCopy(RelationGetDescr(relation)), &TTSOpsHeapTuple);
    return ExecStoreHeapTuple(tuple, slot, false);
}

// The same of JSON; nullptr for nullptr.
TupleTableSlot* rowFrom(Relation relation, Jsonb* object) {
    if (object == nullptr) return nullptr;
    return rowOf(relation, "pg_catalog.jsonb_populate_record(NULL::%s, $1)", JSONBOID, JsonbPGetDatum(object));
}

}  // namespace

RebuiltEvent rebuildEvent(capture::Listener* listener, Relation relation, Jsonb* logged) {
    Jsonb* shown = logged == nullptr ? nullptr : capture::wholeImages(logged);
    Jsonb* data = withPresentNames(relation, shown, "event_with_present_names");
    Jsonb* oldData = objectAt(data, "old");
    Jsonb* newData = objectAt(data, "new");
    bool truncated = hasKey(data, "truncated");
    if (oldData == nullptr && newData == nullptr && !truncated)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("the data of the event has neither an old nor a new row")));
    capture::Operation operation = truncated            ? capture::opTruncate
                                   : oldData == nullptr ? capture::opInsert
                                   : newData == nullptr ? capture::opDelete
                                                        : capture::opUpdate;
    if (listener->captureError != nullptr) ReThrowError(const_cast<ErrorData*>(listener->captureError));
    capture::CompiledCapture* compiled = listener->compiled[operation];
    if (compiled == nullptr)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg(listener->enabled ? "action %s does not listen to such changes of %s any more"
                                                 : "the trigger of action %s on %s is disabled",
                               listener->action, listener->entity)));
    capture::requireCarried(oldData, "old", relation, compiled->reads.old);
    capture::requireCarried(newData, "new", relation, compiled->reads.fresh);
    Oid user;
    int securityContext;
    GetUserIdAndSecContext(&user, &securityContext);
    SetUserIdAndSecContext(listener->captureOwner, securityContext | SECURITY_LOCAL_USERID_CHANGE);
    int level = NewGUCNestLevel();
    setLocal("search_path", "pg_catalog, pg_temp");
    ExprContext* evaluation = compiled->row->pi_exprContext;
    TupleTableSlot* oldRow = rowFrom(relation, oldData);
    TupleTableSlot* newRow = rowFrom(relation, newData);
    capture::Evaluation evaluated = {listener->relation, listener->entity, listener, {}};
    capture::beginEvaluation(&evaluated);
    ResetExprContext(evaluation);
    evaluation->ecxt_innertuple = oldRow;
    evaluation->ecxt_outertuple = newRow;
    RebuiltEvent event;
    event.maskBytes = capture::evaluateBranches(listener, compiled, evaluation);
    event.branchCount = compiled->branches != nullptr ? compiled->branchCount : 8 * event.maskBytes;
    MemoryContext before = MemoryContextSwitchTo(evaluation->ecxt_per_tuple_memory);
    event.row = ExecProject(compiled->row);
    event.row->tts_values[capture::captured::data] = JsonbPGetDatum(data);
    event.row->tts_isnull[capture::captured::data] = false;
    MemoryContextSwitchTo(before);
    capture::endEvaluation(&evaluated);
    AtEOXact_GUC(true, level);
    SetUserIdAndSecContext(user, securityContext);
    return event;
}

namespace {

Relation openReadable(Oid table) {
    Relation relation = table_open(table, AccessShareLock);
    if (!compat::mayRead(table, GetUserId()))
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                        errmsg("permission denied for table %s", RelationGetRelationName(relation))));
    return relation;
}

[[noreturn]] void refuseColumns(Relation relation) {
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                    errmsg("these are not the columns of table %s", RelationGetRelationName(relation))));
    pg_unreachable();
}

}  // namespace

// specql.row_as_owner(relation, row text): the row as an event would carry it, made with the rights of the table's
// owner.
SPECQL_FUNCTION(specql_row_as_owner) {
    Relation relation = openReadable(PG_GETARG_OID(0));
    Datum row = PG_GETARG_DATUM(1);
    Datum data = 0;
    asRestricted(relation->rd_rel->relowner, [relation, row, &data] {
        ExprContext* evaluation = CreateStandaloneExprContext();
        evaluation->ecxt_outertuple = rowOf(relation, "$1::%s", TEXTOID, row);
        data = capture::makeImages(capture::imagesOfRows(capture::opInsert, relation), evaluation);
    });
    table_close(relation, NoLock);
    PG_RETURN_JSONB_P(objectAt(DatumGetJsonbP(data), "new"));
}

// specql.row_of_state(relation, state jsonb, key): the row, in the columns of the table.
SPECQL_FUNCTION(specql_row_of_state) {
    ResultSet result(fcinfo);
    Relation relation = openReadable(PG_GETARG_OID(0));
    Jsonb* state = withPresentNames(relation, PG_GETARG_JSONB_P(1), "with_present_names");
    capture::requireWhole(state, "",
                          psprintf("The row is that of %s with the key %s.",
                                   quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
                                                              RelationGetRelationName(relation)),
                                   text_to_cstring(PG_GETARG_TEXT_PP(2))));
    TupleTableSlot* slot = nullptr;
    asRestricted(relation->rd_rel->relowner, [relation, state, &slot] { slot = rowFrom(relation, state); });
    slot_getallattrs(slot);
    TupleDesc columns = RelationGetDescr(relation);
    auto* values = static_cast<Datum*>(palloc(sizeof(Datum) * Max(columns->natts, 1)));
    auto* nulls = static_cast<bool*>(palloc(sizeof(bool) * Max(columns->natts, 1)));
    TupleDesc wanted = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo)->expectedDesc;
    int count = 0;
    for (int i = 0; i < columns->natts; ++i) {
        Form_pg_attribute column = TupleDescAttr(columns, i);
        if (column->attisdropped) continue;
        if (count >= wanted->natts || TupleDescAttr(wanted, count)->atttypid != column->atttypid)
            refuseColumns(relation);
        values[count] = slot->tts_values[i];
        nulls[count++] = slot->tts_isnull[i];
    }
    if (count != wanted->natts) refuseColumns(relation);
    result.add(values, nulls);
    table_close(relation, NoLock);
    return 0;
}

// specql.recheck(relation, action, data, caller, settings), for specql.why(): a row for each branch, with whether it
// holds for the event and the values that the steps read.
SPECQL_FUNCTION(specql_recheck) {
    ResultSet result(fcinfo);
    if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2)) return 0;
    Relation relation = table_open(PG_GETARG_OID(0), AccessShareLock);
    capture::Listener* listener = capture::findListener(relation, text_to_cstring(PG_GETARG_TEXT_PP(1)), nullptr);
    if (listener != nullptr) {
        // An empty frame, so that specql.caller() in a condition gives the caller of the event.
        capture::EventSet* set = capture::makeEventSet(listener, false);
        set->caller = capture::storedCaller(set->context, PG_ARGISNULL(3) ? 0 : PG_GETARG_DATUM(3));
        set->ids = static_cast<pg_uuid_t*>(MemoryContextAllocZero(set->context, sizeof(pg_uuid_t)));
        capture::Frame* frame = capture::pushFrame(set, 0, 0);
        int level = NewGUCNestLevel();
        capture::resetSettings();
        if (!PG_ARGISNULL(4) && OidIsValid(listener->captureOwner))
            capture::applySettings(PG_GETARG_DATUM(4), listener->captureOwner);
        RebuiltEvent event = rebuildEvent(listener, relation, PG_GETARG_JSONB_P(2));
        AtEOXact_GUC(false, level);
        HeapTuple tuple = ExecCopySlotHeapTuple(event.row);
        Datum json =
            DirectFunctionCall1(row_to_json, heap_copy_tuple_as_datum(tuple, BlessTupleDesc(listener->rowDescriptor)));
        Datum values = DirectFunctionCall1(jsonb_in, CStringGetDatum(TextDatumGetCString(json)));
        for (int branch = 1; branch <= event.branchCount; ++branch) {
            bool held = capture::hasBranch(listener->mask, event.maskBytes, branch);
            Datum row[3] = {Int32GetDatum(branch), BoolGetDatum(held), values};
            bool nulls[3] = {false, false, false};
            result.add(row, nulls);
        }
        capture::popFrame(frame);
        capture::dropEventSet(set);
    }
    table_close(relation, NoLock);
    return 0;
}

}  // namespace specql::history
