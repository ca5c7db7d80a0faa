#include "pg/events/rebuild.hpp"

#include "pg/bridge/entry.hpp"
#include "pg/bridge/result_set.hpp"
#include "pg/bridge/settings.hpp"
#include "pg/events/frame.hpp"

namespace specql {

namespace {

// The object under `key`; nullptr if it is not there or null.
Jsonb* objectAt(Jsonb* data, const char* key) {
    if (!JB_ROOT_IS_OBJECT(data))
        return nullptr;
    JsonbValue* value = getKeyJsonValueFromContainer(&data->root, key, static_cast<int>(strlen(key)), nullptr);
    return value == nullptr || value->type != jbvBinary ? nullptr : JsonbValueToJsonb(value);
}

// Input functions and domain constraints run as the owner, with a search path that nobody else writes to.
TupleTableSlot* rowFrom(Relation relation, Jsonb* object) {
    if (object == nullptr)
        return nullptr;
    const char* table = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
                                                   RelationGetRelationName(relation));
    const char* sql = psprintf("SELECT pg_catalog.jsonb_populate_record(NULL::%s, $1)", table);
    Oid type = JSONBOID;
    Datum value = JsonbPGetDatum(object);
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

}  // namespace

RebuiltEvent rebuildEvent(Rule* rule, Relation relation, Jsonb* data) {
    Jsonb* oldData = objectAt(data, "old");
    Jsonb* newData = objectAt(data, "new");
    if (oldData == nullptr && newData == nullptr)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("the data of the event has neither an old nor a new row")));
    Operation operation = oldData == nullptr ? opInsert : newData == nullptr ? opDelete : opUpdate;
    if (rule->broken != nullptr)
        ReThrowError(const_cast<ErrorData*>(rule->broken));
    CompiledCapture* compiled = rule->compiled[operation];
    if (compiled == nullptr)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg(rule->enabled ? "action %s does not listen to such changes of %s any more"
                                             : "the trigger of action %s on %s is disabled",
                               rule->action, rule->entity)));
    Oid user;
    int securityContext;
    GetUserIdAndSecContext(&user, &securityContext);
    SetUserIdAndSecContext(rule->captureOwner, securityContext | SECURITY_LOCAL_USERID_CHANGE);
    int level = NewGUCNestLevel();
    setLocal("search_path", "pg_catalog, pg_temp");
    ExprContext* evaluation = compiled->row->pi_exprContext;
    TupleTableSlot* oldRow = rowFrom(relation, oldData);
    TupleTableSlot* newRow = rowFrom(relation, newData);
    evaluation->ecxt_innertuple = oldRow;
    evaluation->ecxt_outertuple = newRow;
    RebuiltEvent event;
    event.maskBytes = evaluateBranches(rule, compiled, evaluation);
    event.branchCount = compiled->branches != nullptr ? compiled->branchCount : 8 * event.maskBytes;
    MemoryContext before = MemoryContextSwitchTo(evaluation->ecxt_per_tuple_memory);
    event.row = ExecProject(compiled->row);
    MemoryContextSwitchTo(before);
    AtEOXact_GUC(true, level);
    SetUserIdAndSecContext(user, securityContext);
    return event;
}

// For specql.why: (relation, action, data, caller) → a row per branch, whether it holds, and all values that the steps
// read.
SPECQL_FUNCTION(specql_recheck) {
    ResultSet result(fcinfo);
    if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
        return 0;
    Relation relation = table_open(PG_GETARG_OID(0), AccessShareLock);
    Rule* rule = findRule(relation, text_to_cstring(PG_GETARG_TEXT_PP(1)), nullptr);
    if (rule != nullptr) {
        // Conditions that ask who did it are asked on behalf of the event.
        EventSet* set = makeEventSet(rule, false);
        set->caller = keptCaller(set->context, PG_ARGISNULL(3) ? 0 : PG_GETARG_DATUM(3));
        set->ids = static_cast<pg_uuid_t*>(MemoryContextAllocZero(set->context, sizeof(pg_uuid_t)));
        Frame* frame = pushFrame(set, 0, 0);
        RebuiltEvent event = rebuildEvent(rule, relation, PG_GETARG_JSONB_P(2));
        HeapTuple tuple = ExecCopySlotHeapTuple(event.row);
        Datum json = DirectFunctionCall1(row_to_json, heap_copy_tuple_as_datum(tuple, BlessTupleDesc(rule->shape)));
        Datum values = DirectFunctionCall1(jsonb_in, CStringGetDatum(TextDatumGetCString(json)));
        for (int branch = 1; branch <= event.branchCount; ++branch) {
            bool held = hasBranch(rule->mask, event.maskBytes, branch);
            Datum row[3] = {Int32GetDatum(branch), BoolGetDatum(held), values};
            bool nulls[3] = {false, false, false};
            result.add(row, nulls);
        }
        popFrame(frame);
        dropEventSet(set);
    }
    table_close(relation, NoLock);
    return 0;
}

}  // namespace specql
