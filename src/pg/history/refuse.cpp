// specql.refuse_change(): the trigger that refuses changes of an append-only log; and specql.expire_log(), which may
// delete its old rows.
#include "pg/base/server.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/capture/respell.hpp"
#include "pg/capture/triggers.hpp"

namespace specql::history {

namespace {

Oid expiring = InvalidOid;  // the log from which specql.expire_log() is deleting

// Writes the DELETE statement. specql.state_at() reads states of rows from the log, so the last row of each key before
// the given time stays.
const char* const conditionSql = R"(
SELECT format('DELETE FROM %s AS t WHERE t.id < specql.first_uuid($1)', $1) || coalesce(string_agg(
           format(' AND (EXISTS (SELECT FROM %s AS n WHERE n.%I = t.%2$I AND n.id > t.id', $1, r.key_column)
           || ' AND n.id < specql.first_uuid($1)'
           || CASE WHEN r.type_column IS NULL THEN '))' ELSE
                  format(' AND n.%I = %L) OR t.%1$I IS DISTINCT FROM %2$L)', r.type_column, r.type_value) END, ''), '')
FROM specql.log_readings() AS r WHERE r.log = $1)";

// The statement that deletes old rows of the log, in SPI's memory context.
const char* deleteStatement(Oid log) {
    Oid type = REGCLASSOID;
    Datum value = ObjectIdGetDatum(log);
    if (SPI_execute_with_args(conditionSql, 1, &type, &value, nullptr, true, 1) != SPI_OK_SELECT || SPI_processed != 1)
        elog(ERROR, "specql: reading what is kept in a log failed");
    return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
}

void requireLog(Relation log) {
    const char* name =
        quote_qualified_identifier(get_namespace_name(RelationGetNamespace(log)), RelationGetRelationName(log));
    if (!compat::ownsTable(RelationGetRelid(log), GetUserId()))
        ereport(ERROR, (errcode(sqlstate::notAllowed), errmsg("%s belongs to somebody else", name),
                        errhint("Its owner may remove old rows.")));
    List* refuseName = list_make2(makeString(pstrdup("specql")), makeString(pstrdup("refuse_change")));
    Oid refuse = LookupFuncName(refuseName, 0, nullptr, false);
    bool found = false;
    const TriggerDesc* triggers = capture::triggersOf(log);
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; ++i)
        found |= triggers->triggers[i].tgfoid == refuse;
    if (!found)
        ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("%s is not an append-only log", name),
                        errhint("Rows of other tables can be deleted.")));
    AttrNumber id = get_attnum(RelationGetRelid(log), "id");
    if (id == InvalidAttrNumber || get_atttype(RelationGetRelid(log), id) != UUIDOID)
        ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                        errmsg("the rows of %s have no time-ordered id that tells how old they are", name),
                        errhint("Its owner can type ALTER TABLE ... DISABLE TRIGGER, delete, and ENABLE ALWAYS "
                                "TRIGGER.")));
}

}  // namespace

SPECQL_FUNCTION(specql_expire_log) {
    Relation log = table_open(PG_GETARG_OID(0), AccessShareLock);
    requireLog(log);
    SPI_connect();
    const char* sql = deleteStatement(PG_GETARG_OID(0));
    Oid type = TIMESTAMPTZOID;
    Datum before = PG_GETARG_DATUM(1);
    volatile uint64_t count = 0;
    Oid previous = expiring;
    PG_TRY();
    {
        expiring = PG_GETARG_OID(0);
        if (SPI_execute_with_args(sql, 1, &type, &before, nullptr, false, 0) != SPI_OK_DELETE)
            elog(ERROR, "specql: deleting from a log failed");
        count = SPI_processed;
    }
    PG_FINALLY();
    { expiring = previous; }
    PG_END_TRY();
    SPI_finish();
    table_close(log, NoLock);
    PG_RETURN_INT64(static_cast<int64_t>(count));
}

SPECQL_FUNCTION(specql_refuse_change) {
    if (!CALLED_AS_TRIGGER(fcinfo))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("specql.refuse_change is a trigger function")));
    const auto* trigger = reinterpret_cast<const TriggerData*>(fcinfo->context);
    const char* verb = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event)   ? "update"
                       : TRIGGER_FIRED_BY_DELETE(trigger->tg_event) ? "delete from"
                                                                    : "truncate";
    Relation table = trigger->tg_relation;
    if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event) && RelationGetRelid(table) == expiring)
        return PointerGetDatum(nullptr);
    if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) && capture::isRespelled(table)) return PointerGetDatum(nullptr);
    const char* name =
        quote_qualified_identifier(get_namespace_name(RelationGetNamespace(table)), RelationGetRelationName(table));
    ereport(ERROR,
            (errcode(sqlstate::appendOnly), errmsg("cannot %s %s: it is an append-only log", verb, name),
             errdetail("Its rows are history; rules and reports rely on their staying as they were written."),
             errhint("Insert a row that corrects the earlier one. To remove old history on purpose, its owner types "
                     "SELECT specql.expire_log(%s, before).",
                     quote_literal_cstr(name))));
    pg_unreachable();
}

}  // namespace specql::history
