// Migrations of others: the event triggers that let a command through which changes what a capture function reads, and
// specql.detach and specql.attach, which do the same where there are no event triggers.
//
// The server refuses to drop a column, or to change its type, while the tree of a function reads it. So those capture
// functions are put aside before the command (their texts go into specql.put_aside, they themselves are dropped), and
// made again after it, as their owner.
#include "pg/base/own_commands.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/bridge/restricted.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/bridge/subtransaction.hpp"
#include "pg/migrations/touched.hpp"

extern "C" {
#include "commands/event_trigger.h"
#include "commands/extension.h"
#include "storage/lmgr.h"
#include "utils/plancache.h"
}

namespace specql::migrations {

namespace {

Datum oidArray(List* items) {
    Datum* values = static_cast<Datum*>(palloc(sizeof(Datum) * Max(list_length(items), 1)));
    int count = 0;
    ListCell* cell;
    foreach (cell, items)
        values[count++] = ObjectIdGetDatum(lfirst_oid(cell));
    return PointerGetDatum(construct_array(values, count, OIDOID, sizeof(Oid), true, TYPALIGN_INT));
}

Datum smallArray(List* items) {
    Datum* values = static_cast<Datum*>(palloc(sizeof(Datum) * Max(list_length(items), 1)));
    int count = 0;
    ListCell* cell;
    foreach (cell, items)
        values[count++] = Int16GetDatum(static_cast<int16>(lfirst_int(cell)));
    return PointerGetDatum(construct_array(values, count, INT2OID, sizeof(int16), true, TYPALIGN_SHORT));
}

// Runs fixed SQL as the extension's owner and returns the number of its rows, which are in SPI_tuptable.
uint64 run(const char* sql, int count, Oid* types, Datum* values) {
    int code = SPI_execute_with_args(sql, count, types, values, nullptr, false, 0);
    if (code < 0) elog(ERROR, "specql: looking after a migration gave %s", SPI_result_code_string(code));
    return SPI_processed;
}

const char* cell(int row, int column) {
    return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

Oid oidCell(int row, int column) {
    bool isNull;
    return DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isNull));
}

Oid touchedTypes[] = {OIDARRAYOID, INT2ARRAYOID, OIDOID};

// Puts aside the capture functions that read what is touched. Their tables are locked before, as the command itself
// will lock them: two migrations at once come one after the other, and nobody waits for a table in vain.
void putAside(Datum relations, Datum columns, Oid caller) {
    Datum values[] = {relations, columns, ObjectIdGetDatum(caller)};
    SPI_connect();
    uint64 count =
        run("SELECT DISTINCT r.relation FROM specql.captures_reading($1, $2) AS r ORDER BY 1", 2, touchedTypes, values);
    for (int i = 0; i < static_cast<int>(count); ++i) {
        Oid table = oidCell(i, 1);
        // A rule on a table of somebody else may read the one that is changed: that is no reason to lock the other.
        if (compat::ownsTable(table, caller)) LockRelationOid(table, AccessExclusiveLock);
    }
    if (count > 0) (void)run("SELECT specql.put_aside($1, $2, $3)", 3, touchedTypes, values);
    SPI_finish();
}

// One row of specql.put_aside, allocated in the context of the caller.
struct PutAside {
    const char* capture;
    const char* action;
    const char* table;  // nullptr if it is gone
    const char* query;
    const char* problem;
    Oid owner;
    bool aborts;  // on_error = abort
};

const char* copied(MemoryContext context, const char* text) {
    return text != nullptr ? MemoryContextStrdup(context, text) : nullptr;
}

// What this transaction has put aside, or attached, of roles whose rights the caller has: names in it are looked up
// anew, which nobody else may bring about. And what is of dropped tables. What somebody made by himself, as by
// specql.apply, is forgotten.
List* readPutAside(MemoryContext context) {
    List* found = NIL;
    Oid caller = GetUserId();
    runAsExtensionOwner([context, caller, &found] {
        Oid types[] = {OIDOID};
        Datum values[] = {ObjectIdGetDatum(caller)};
        SPI_connect();
        (void)run(
            "DELETE FROM specql.put_aside AS p WHERE pg_catalog.to_regprocedure(p.capture || '()') IS NOT NULL"
            " OR NOT EXISTS (SELECT FROM specql.action AS a WHERE a.capture = p.capture)",
            0, nullptr, nullptr);
        uint64 count =
            run("SELECT p.capture, p.action, (SELECT c.oid::pg_catalog.regclass::text FROM pg_catalog.pg_class AS c "
                "WHERE c.oid = p.relation),"
                " p.query, p.problem, p.owner::oid,"
                " EXISTS (SELECT FROM specql.action AS a WHERE a.capture = p.capture AND a.on_error = 'abort')"
                " FROM specql.put_aside AS p WHERE p.detached IS NULL"
                " AND p.put_by = pg_catalog.pg_current_xact_id() AND specql.works_for(p.owner, $1)"
                " OR NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = p.relation)"
                " ORDER BY p.capture FOR UPDATE OF p SKIP LOCKED",
                1, types, values);
        MemoryContext before = MemoryContextSwitchTo(context);
        for (int i = 0; i < static_cast<int>(count); ++i) {
            auto* row = static_cast<PutAside*>(palloc0(sizeof(PutAside)));
            row->capture = copied(context, cell(i, 1));
            row->action = copied(context, cell(i, 2));
            row->table = copied(context, cell(i, 3));
            row->query = copied(context, cell(i, 4));
            row->problem = copied(context, cell(i, 5));
            row->owner = oidCell(i, 6);
            row->aborts = strcmp(cell(i, 7), "t") == 0;
            found = lappend(found, row);
        }
        MemoryContextSwitchTo(before);
        SPI_finish();
    });
    return found;
}

// Asks one of the extension's functions, of the capture function and one more text[], for commands.
List* commands(const char* sql, const char* capture, Datum argument, MemoryContext context) {
    List* found = NIL;
    runAsExtensionOwner([sql, capture, argument, context, &found] {
        Oid types[] = {TEXTOID, TEXTARRAYOID};
        Datum values[] = {CStringGetTextDatum(capture), argument};
        SPI_connect();
        uint64 count = run(sql, 2, types, values);
        MemoryContext before = MemoryContextSwitchTo(context);
        for (int i = 0; i < static_cast<int>(count); ++i)
            found = lappend(found, pstrdup(cell(i, 1)));
        MemoryContextSwitchTo(before);
        SPI_finish();
    });
    return found;
}

// The role whose function it was may be gone.
void requireRole(Oid owner) {
    if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(owner)))
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("its owner is gone")));
}

void runCommands(List* commands, Oid owner) {
    requireRole(owner);
    asRestricted(owner, [commands] {
        SPI_connect();
        ListCell* each;
        foreach (each, commands) {
            int code = SPI_execute(static_cast<const char*>(lfirst(each)), false, 0);
            if (code < 0) elog(ERROR, "specql: making a function again gave %s", SPI_result_code_string(code));
        }
        SPI_finish();
    });
}

// The types that the expressions of a capture function have now, as text[] in `context`.
Datum typesOf(const char* query, Oid owner, MemoryContext context) {
    Datum result = 0;
    requireRole(owner);
    asRestricted(owner, [query, context, &result] {
        SPI_connect();
        SPIPlanPtr plan = SPI_prepare(query, 0, nullptr);
        if (plan == nullptr)
            elog(ERROR, "specql: reading a capture function gave %s", SPI_result_code_string(SPI_result));
        TupleDesc columns = static_cast<CachedPlanSource*>(linitial(SPI_plan_get_plan_sources(plan)))->resultDesc;
        Datum* types = static_cast<Datum*>(palloc(sizeof(Datum) * columns->natts));
        for (int i = 0; i < columns->natts; ++i)
            types[i] = CStringGetTextDatum(format_type_be_qualified(TupleDescAttr(columns, i)->atttypid));
        MemoryContext before = MemoryContextSwitchTo(context);
        result = PointerGetDatum(construct_array(types, columns->natts, TEXTOID, -1, false, TYPALIGN_INT));
        MemoryContextSwitchTo(before);
        SPI_finish();
    });
    return result;
}

// Makes a capture function again, with the types that its columns have now, and the function by which the handler reads
// it.
void makeAgain(const PutAside* row) {
    MemoryContext context = CurrentMemoryContext;
    ErrorData* error = trySubtransaction([row, context] {
        Datum types = typesOf(row->query, row->owner, context);
        runCommands(commands("SELECT c.command FROM specql.commands_to_make($1, $2) AS c ORDER BY c.number",
                             row->capture, types, context),
                    row->owner);
    });
    if (error == nullptr) {
        runAsExtensionOwner([row] {
            Oid types[] = {TEXTOID};
            Datum values[] = {CStringGetTextDatum(row->capture)};
            SPI_connect();
            (void)run("SELECT specql.made_again($1)", 1, types, values);
            SPI_finish();
        });
        if (row->problem != nullptr) ereport(NOTICE, (errmsg("action %s works again", row->action)));
        return;
    }
    runAsExtensionOwner([row, error] {
        Oid types[] = {TEXTOID, TEXTOID};
        Datum values[] = {CStringGetTextDatum(row->capture), CStringGetTextDatum(error->message)};
        SPI_connect();
        (void)run("SELECT specql.is_broken($1, $2)", 2, types, values);
        SPI_finish();
    });
    if (row->problem == nullptr)
        ereport(NOTICE,
                (errmsg("action %s is broken: %s", row->action, error->message),
                 errhint("%s Apply its spec as it has to be now, or mend the table and SELECT specql.attach('%s')%s.",
                         row->aborts ? "Statements that it would check fail." : "Its events wait in specql.failures.",
                         row->table, row->aborts ? "" : "; then SELECT specql.drain()")));
}

// The rule of a table that was dropped goes with it.
void dropRule(const PutAside* row) {
    Datum none = PointerGetDatum(construct_empty_array(TEXTOID));
    List* drops = commands("SELECT c.command FROM specql.commands_to_drop($1) AS c WHERE $2 = '{}' ORDER BY c.number",
                           row->capture, none, CurrentMemoryContext);
    // Somebody may use these functions for something else; then they stay.
    ErrorData* error = trySubtransaction([drops, row] { runCommands(drops, row->owner); });
    if (error != nullptr) ereport(NOTICE, (errmsg("the functions of action %s stay: %s", row->action, error->message)));
    Oid caller = GetUserId();
    runAsExtensionOwner([row, caller] {
        Oid types[] = {TEXTOID, OIDOID};
        Datum values[] = {CStringGetTextDatum(row->capture), ObjectIdGetDatum(caller)};
        SPI_connect();
        (void)run("SELECT specql.rule_dropped($1, $2)", 2, types, values);
        SPI_finish();
    });
    ereport(NOTICE,
            (errmsg("action %s goes with its table", row->action), errhint("Its text stays in specql.history.")));
}

void makeAllAgain() {
    ListCell* each;
    foreach (each, readPutAside(CurrentMemoryContext)) {
        const auto* row = static_cast<const PutAside*>(lfirst(each));
        if (row->table == nullptr)
            dropRule(row);
        else
            makeAgain(row);
    }
}

// What events carry of a table is said by the names of its columns: it follows when one of them gets another name, or
// is dropped. As the table's owner.
void followColumn(const Respelled* column) {
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(column->relation));
    if (!HeapTupleIsValid(tuple)) return;
    Oid owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
    ReleaseSysCache(tuple);
    const char* table = quote_qualified_identifier(get_namespace_name(get_rel_namespace(column->relation)),
                                                   get_rel_name(column->relation));
    Datum names[] = {CStringGetTextDatum(column->former),
                     column->present != nullptr ? CStringGetTextDatum(column->present) : 0};
    Datum spelling =
        PointerGetDatum(construct_array(names, column->present != nullptr ? 2 : 1, TEXTOID, -1, false, TYPALIGN_INT));
    List* found = commands("SELECT c.command FROM specql.commands_to_follow($1, $2) AS c ORDER BY c.number", table,
                           spelling, CurrentMemoryContext);
    if (found == NIL) return;
    runCommands(found, owner);
    runAsExtensionOwner([table] {
        Oid types[] = {TEXTOID};
        Datum values[] = {CStringGetTextDatum(table)};
        SPI_connect();
        (void)run(
            "UPDATE specql.object AS o SET state = specql.object_state(o.kind, o.identity, o.on_table),"
            " server = specql.server_major()"
            " WHERE o.kind = 'trigger' AND o.state IS NOT NULL AND o.identity = 'specql_capture on ' || $1",
            1, types, values);
        SPI_finish();
    });
}

// The event triggers are for the commands of others.
bool isOurs(FunctionCallInfo fcinfo) {
    if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("this is a function of event triggers")));
    return inOwnCommands() || creating_extension;
}

void requireTable(Oid table) {
    if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(table)))
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("there is no table with OID %u", table)));
    if (!compat::ownsTable(table, GetUserId()))
        ereport(ERROR, (errcode(sqlstate::notAllowed), errmsg("table %s belongs to somebody else", get_rel_name(table)),
                        errhint("Its owner may do that.")));
}

}  // namespace

// A failure of ours is only a warning: the server then does with the command what it would do without us.
SPECQL_FUNCTION(specql_before_ddl) {
    if (isOurs(fcinfo)) PG_RETURN_NULL();
    Touched touched = touchedBy(reinterpret_cast<EventTriggerData*>(fcinfo->context)->parsetree);
    if (touched.relations == NIL) PG_RETURN_NULL();
    Datum relations = oidArray(touched.relations), columns = smallArray(touched.columns);
    Oid caller = GetUserId();
    ErrorData* error = trySubtransaction([relations, columns, caller] {
        asOwnCommands([relations, columns, caller] {
            runAsExtensionOwner([relations, columns, caller] { putAside(relations, columns, caller); });
        });
    });
    if (error != nullptr)
        ereport(WARNING,
                (errcode(error->sqlerrcode), errmsg("specql could not put its functions aside: %s", error->message)));
    PG_RETURN_NULL();
}

SPECQL_FUNCTION(specql_after_ddl) {
    if (isOurs(fcinfo)) PG_RETURN_NULL();
    List* respelled = respelledBy(reinterpret_cast<EventTriggerData*>(fcinfo->context)->parsetree);
    ErrorData* lost = respelled == NIL ? nullptr : trySubtransaction([respelled] {
        asOwnCommands([respelled] {
            ListCell* cell;
            foreach (cell, respelled)
                followColumn(static_cast<const Respelled*>(lfirst(cell)));
        });
    });
    if (lost != nullptr)
        ereport(WARNING, (errcode(lost->sqlerrcode),
                          errmsg("specql could not follow a column that has another name: %s", lost->message),
                          errhint("If it is private, events of the table carry its key alone until its spec is "
                                  "applied again.")));
    ErrorData* error = trySubtransaction([] { asOwnCommands([] { makeAllAgain(); }); });
    if (error != nullptr)
        ereport(WARNING,
                (errcode(error->sqlerrcode), errmsg("specql could not make its functions again: %s", error->message),
                 errhint("Events of actions that are broken wait in specql.failures; see specql.health().")));
    PG_RETURN_NULL();
}

SPECQL_FUNCTION(specql_detach) {
    Oid table = PG_GETARG_OID(0);
    requireTable(table);
    LockRelationOid(table, AccessExclusiveLock);
    Oid caller = GetUserId();
    asOwnCommands([table, caller] {
        runAsExtensionOwner([table, caller] {
            putAside(oidArray(list_make1_oid(table)), smallArray(list_make1_int(0)), caller);
            Oid types[] = {OIDOID};
            Datum values[] = {ObjectIdGetDatum(table)};
            SPI_connect();
            (void)run("UPDATE specql.put_aside AS p SET detached = $1 WHERE p.detached IS NULL AND p.problem IS NULL",
                      1, types, values);
            SPI_finish();
        });
    });
    PG_RETURN_VOID();
}

SPECQL_FUNCTION(specql_attach) {
    Oid table = PG_GETARG_OID(0);
    requireTable(table);
    Oid caller = GetUserId();
    asOwnCommands([table, caller] {
        runAsExtensionOwner([table, caller] {
            Oid types[] = {OIDOID, OIDOID};
            Datum values[] = {ObjectIdGetDatum(table), ObjectIdGetDatum(caller)};
            SPI_connect();
            (void)run(
                "SELECT specql.require_owner('action ' || p.action, p.owner, $2) FROM specql.put_aside AS p"
                " WHERE coalesce(p.detached, p.relation) = $1",
                2, types, values);
            (void)run(
                "UPDATE specql.put_aside AS p SET detached = NULL, put_by = pg_catalog.pg_current_xact_id()"
                " WHERE coalesce(p.detached, p.relation) = $1",
                1, types, values);
            SPI_finish();
        });
        makeAllAgain();
    });
    PG_RETURN_VOID();
}

}  // namespace specql::migrations
