// specql.register_action: tells the runtime of an action.
#include "pg/bridge/entry.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/events/server.hpp"

namespace specql {

namespace {

const char* const upsertSql = R"(
INSERT INTO specql.action AS a (action, event, relation, handler, capture, on_error, max_attempts, backoff, enabled,
    processed, part, run_order, place, uses_caller)
VALUES ($1, $2, $3, $4, $5, coalesce($6, 'retry'),
    coalesce($7, 8), coalesce($8, interval '1 second'), coalesce($9, true), $10, coalesce($11, ''),
    coalesce($12, 0), coalesce($13, '{}'), coalesce($14, false))
ON CONFLICT (action, (coalesce(relation, '')), part) DO UPDATE
SET event = excluded.event, handler = excluded.handler, capture = excluded.capture, on_error = excluded.on_error,
    max_attempts = excluded.max_attempts, backoff = excluded.backoff, enabled = excluded.enabled,
    processed = excluded.processed, run_order = excluded.run_order, place = excluded.place,
    uses_caller = excluded.uses_caller
WHERE a.* IS DISTINCT FROM excluded.*)";

// Nobody comes by another's events by giving an action of their own the same name.
const char* const requireOwnerSql = R"(
SELECT specql.require_action($1, $2))";

const char* const ownerSql = R"(
INSERT INTO specql.action_owner AS o
SELECT $1, r.rolname, coalesce($3, '{}') FROM pg_roles AS r WHERE r.oid = $2
ON CONFLICT (action) DO UPDATE
SET owner = CASE WHEN EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = o.owner) THEN o.owner ELSE excluded.owner END,
    place = excluded.place
WHERE o.place <> excluded.place OR NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = o.owner))";

constexpr int argumentCount = 14;
constexpr int processedArgument = 9;
constexpr int relationArgument = 2;
constexpr int handlerArgument = 3;
constexpr int placeArgument = 12;
const Oid argumentTypes[argumentCount] = {TEXTOID,     TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,      INT4OID,
                                          INTERVALOID, BOOLOID, TEXTOID, TEXTOID, INT4OID, INT4ARRAYOID, BOOLOID};

struct Arguments {
    Datum values[argumentCount];
    char nulls[argumentCount];
};

void execute(const char* sql, int count, Oid* types, Datum* values, const char* nulls) {
    int code = SPI_execute_with_args(sql, count, types, values, nulls, false, 0);
    if (code < 0) elog(ERROR, "specql: registering an action gave %s", SPI_result_code_string(code));
}

}  // namespace

SPECQL_FUNCTION(specql_register_action) {
    Arguments arguments;
    for (int i = 0; i < argumentCount; ++i) {
        arguments.values[i] = PG_ARGISNULL(i) ? 0 : PG_GETARG_DATUM(i);
        arguments.nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
    }
    // Whoever emits the event makes the handler run with its owner's rights; only the owner may arrange that. With a
    // table the trigger says what runs.
    if (PG_ARGISNULL(relationArgument) && !PG_ARGISNULL(handlerArgument)) {
        const char* handler = text_to_cstring(PG_GETARG_TEXT_PP(handlerArgument));
        Oid function = LookupFuncName(compat::nameParts(handler), 0, nullptr, false);
        if (!compat::ownsFunction(function, GetUserId()))
            ereport(ERROR, (errcode(sqlstate::notAllowed), errmsg("handler %s belongs to somebody else", handler),
                            errhint("Its owner must register it.")));
    }
    // The same holds for the function that is told of processed events.
    if (!PG_ARGISNULL(processedArgument)) {
        const char* processed = text_to_cstring(PG_GETARG_TEXT_PP(processedArgument));
        Oid argument = UUIDARRAYOID;
        Oid function = LookupFuncName(compat::nameParts(processed), 1, &argument, false);
        if (!compat::ownsFunction(function, GetUserId()))
            ereport(ERROR, (errcode(sqlstate::notAllowed), errmsg("function %s belongs to somebody else", processed),
                            errhint("Its owner must register it.")));
    }
    const Arguments* all = &arguments;
    Oid caller = GetUserId();
    runAsExtensionOwner([all, caller] {
        SPI_connect();
        Oid types[] = {TEXTOID, OIDOID, INT4ARRAYOID};
        Datum values[] = {all->values[0], ObjectIdGetDatum(caller), all->values[placeArgument]};
        const char nulls[] = {' ', ' ', all->nulls[placeArgument]};
        execute(requireOwnerSql, 2, types, values, nullptr);
        execute(upsertSql, argumentCount, const_cast<Oid*>(argumentTypes), const_cast<Datum*>(all->values), all->nulls);
        execute(ownerSql, lengthof(types), types, values, nulls);
        SPI_finish();
    });
    PG_RETURN_VOID();
}

}  // namespace specql
