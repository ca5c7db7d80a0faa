// specql.register_action: writes the registration of an action.
#include "pg/bridge/entry.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/capture/compile.hpp"

namespace specql::capture {

namespace {

const char* const upsertSql = R"(
INSERT INTO specql.action AS a (action, event, relation, handler, capture, on_error, max_attempts, backoff, enabled,
    processed, part, run_order, place, uses_caller, retry_on, park_on, tells_private, paused_at)
VALUES ($1, $2, $3, $4, $5, coalesce($6, 'retry'),
    coalesce($7, 8), coalesce($8, interval '1 second'), coalesce($9, true), $10, coalesce($11, ''),
    coalesce($12, 0), coalesce($13, '{}'), coalesce($14, false), coalesce($15, '{}'), coalesce($16, '{}'),
    coalesce($17, false),
    (SELECT o.paused_at FROM specql.action_owner AS o
     WHERE o.action = $1 AND o.dropped_in = pg_current_xact_id_if_assigned()))
ON CONFLICT (action, (coalesce(relation, '')), part) DO UPDATE
SET event = excluded.event, handler = excluded.handler, capture = excluded.capture, on_error = excluded.on_error,
    max_attempts = excluded.max_attempts, backoff = excluded.backoff, enabled = excluded.enabled,
    processed = excluded.processed, run_order = excluded.run_order, place = excluded.place,
    uses_caller = excluded.uses_caller, retry_on = excluded.retry_on, park_on = excluded.park_on,
    tells_private = excluded.tells_private
WHERE a.* IS DISTINCT FROM excluded.*)";

// Raises an error if an action of this name belongs to another role, or if its name does not begin with a schema in
// which the caller may create objects: else a role could take over the stored events of somebody else's action.
const char* const requireOwnerSql = R"(
SELECT specql.require_action($1, $2), specql.require_name($1, $2))";

const char* const ownerSql = R"(
INSERT INTO specql.action_owner AS o VALUES ($1, $2, coalesce($3, '{}'))
ON CONFLICT (action) DO UPDATE SET owner = excluded.owner, place = excluded.place
WHERE (o.owner::oid, o.place) IS DISTINCT FROM (excluded.owner::oid, excluded.place))";

const char* const functionSql = R"(
INSERT INTO specql.action_function VALUES ($1, $2) ON CONFLICT DO NOTHING)";

constexpr int argumentCount = 17;
constexpr int processedArgument = 9;
constexpr int relationArgument = 2;
constexpr int handlerArgument = 3;
constexpr int captureArgument = 4;
constexpr int placeArgument = 12;
const Oid argumentTypes[argumentCount] = {TEXTOID,      TEXTOID,     TEXTOID,      TEXTOID,      TEXTOID, TEXTOID,
                                          INT4OID,      INTERVALOID, BOOLOID,      TEXTOID,      TEXTOID, INT4OID,
                                          INT4ARRAYOID, BOOLOID,     TEXTARRAYOID, TEXTARRAYOID, BOOLOID};

struct Arguments {
    Datum values[argumentCount];
    char nulls[argumentCount];
};

void execute(const char* sql, int count, Oid* types, Datum* values, const char* nulls) {
    int code = SPI_execute_with_args(sql, count, types, values, nulls, false, 0);
    if (code < 0) elog(ERROR, "specql: registering an action gave %s", SPI_result_code_string(code));
}

// The owner of a function that is to be registered. Every session that raises the event will run it with its owner's
// rights, so only that role may register it: an error otherwise.
Oid ownerOf(Oid function, const char* what, const char* name) {
    if (!compat::ownsFunction(function, GetUserId()))
        ereport(ERROR, (errcode(sqlstate::notAllowed), errmsg("%s %s belongs to somebody else", what, name),
                        errhint("Its owner must register it.")));
    return functionOwner(function);
}

const char* textArgument(FunctionCallInfo fcinfo, int number) {
    return PG_ARGISNULL(number) ? nullptr : text_to_cstring(PG_GETARG_TEXT_PP(number));
}

// Raises an error unless the caller, the owner of the handler and the owner of the capture function all have the rights
// of the table's owner: the code runs for every write to the table.
void requireTable(const char* name, Oid handlerOwner, const char* capture) {
    RangeVar* rangeVar = makeRangeVarFromNameList(compat::nameParts(name));
    Relation relation = table_openrv(rangeVar, AccessShareLock);
    Oid captureOwner = ownerOf(requireCaptureFunction(capture, relation), "capture function", capture);
    if (!compat::ownsTable(RelationGetRelid(relation), GetUserId()))
        ereport(ERROR, (errcode(sqlstate::notAllowed), errmsg("%s belongs to somebody else", name),
                        errhint("Its owner may register actions on it.")));
    requireRightsOver(relation, handlerOwner, "handler");
    requireRightsOver(relation, captureOwner, "capture function");
    table_close(relation, NoLock);
}

}  // namespace

SPECQL_FUNCTION(specql_register_action) {
    Arguments arguments;
    for (int i = 0; i < argumentCount; ++i) {
        arguments.values[i] = PG_ARGISNULL(i) ? 0 : PG_GETARG_DATUM(i);
        arguments.nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
    }
    const char* relation = textArgument(fcinfo, relationArgument);
    const char* handler = textArgument(fcinfo, handlerArgument);
    const char* capture = textArgument(fcinfo, captureArgument);
    if (handler == nullptr)
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("an action needs a handler")));
    Oid function = LookupFuncName(compat::nameParts(handler), 0, nullptr, false);
    Oid owner = ownerOf(function, "handler", handler);
    if (relation != nullptr && capture != nullptr) requireTable(relation, owner, capture);
    if (const char* processed = textArgument(fcinfo, processedArgument)) {
        Oid argument = UUIDARRAYOID;
        (void)ownerOf(LookupFuncName(compat::nameParts(processed), 1, &argument, false), "function", processed);
    }
    const Arguments* all = &arguments;
    Oid caller = GetUserId();
    runAsExtensionOwner([all, caller, owner, function] {
        SPI_connect();
        Oid types[] = {TEXTOID, OIDOID, INT4ARRAYOID};
        Datum values[] = {all->values[0], ObjectIdGetDatum(caller), all->values[placeArgument]};
        const char nulls[] = {' ', ' ', all->nulls[placeArgument]};
        execute(requireOwnerSql, 2, types, values, nullptr);
        values[1] = ObjectIdGetDatum(owner);
        execute(upsertSql, argumentCount, const_cast<Oid*>(argumentTypes), const_cast<Datum*>(all->values), all->nulls);
        execute(ownerSql, lengthof(types), types, values, nulls);
        values[1] = ObjectIdGetDatum(function);
        execute(functionSql, 2, types, values, nullptr);
        SPI_finish();
    });
    PG_RETURN_VOID();
}

}  // namespace specql::capture
