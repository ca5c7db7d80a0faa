// specql.replay_events: gives a batch of logged events to the handler of their action again. src/schema/74-replays.sql
// keeps the progress of the whole replay.
#include "pg/bridge/entry.hpp"
#include "pg/bridge/result_set.hpp"
#include "pg/capture/tellable.hpp"
#include "pg/history/past.hpp"

namespace specql::history {

namespace {

// The log stores the name of a row's table. If the action has only one table, that is taken even if it was renamed
// since.
const char* const readSql = R"(
WITH watched AS (
    SELECT a.relation::regclass AS relation, n.nspname || '.' || c.relname AS entity
    FROM specql.action AS a
    JOIN pg_class AS c ON c.oid = to_regclass(a.relation)
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE a.action = $1)
SELECT l.id, $1, l.type, l.entity IS NOT NULL, w.relation::oid, l.subject, l.data, l.occurred_at, l.caused_by, l.root,
       l.depth, l.caller, l.traceparent, l.settings
FROM specql.event_log AS l
LEFT JOIN watched AS w ON w.entity = l.entity OR l.entity IS NOT NULL AND (SELECT count(*) = 1 FROM watched)
WHERE (l.action = $1 OR l.action IS NULL AND l.type = $2 AND l.status <> 'repeated' AND NOT EXISTS (
          SELECT FROM specql.action AS m WHERE m.action = $1 AND m.part = 'match'))
  -- What a window has counted is not counted again; its matches are what is replayed.
  AND NOT EXISTS (SELECT FROM specql.action AS s WHERE s.action = $1 AND s.part LIKE 'source %'
                  AND CASE WHEN s.relation IS NULL THEN l.type = s.event ELSE l.entity IS NOT NULL END)
  AND l.id > $3 AND l.id <= $4 AND l.occurred_at >= $5 AND l.occurred_at < $6
  AND (pg_visible_in_snapshot(l.xid, $7) OR l.xid = $8)
ORDER BY l.id LIMIT $9)";

constexpr int argumentCount = 9;
const Oid argumentTypes[argumentCount] = {TEXTOID,        TEXTOID,        UUIDOID, UUIDOID, TIMESTAMPTZOID,
                                          TIMESTAMPTZOID, PG_SNAPSHOTOID, XID8OID, INT4OID};

PastEvent* read(FunctionCallInfo fcinfo, bool noDeliveries, int* count) {
    Datum values[argumentCount];
    char nulls[argumentCount];
    for (int i = 0; i < argumentCount; ++i) {
        values[i] = PG_ARGISNULL(i) ? 0 : PG_GETARG_DATUM(i);
        nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
    }
    MemoryContext caller = CurrentMemoryContext;
    SPI_connect();
    int code = SPI_execute_with_args(readSql, argumentCount, const_cast<Oid*>(argumentTypes), values, nulls, true, 0);
    if (code != SPI_OK_SELECT) elog(ERROR, "specql: reading logged events gave %s", SPI_result_code_string(code));
    MemoryContext spi = MemoryContextSwitchTo(caller);
    *count = static_cast<int>(SPI_processed);
    auto* events = static_cast<PastEvent*>(palloc(sizeof(PastEvent) * (SPI_processed + 1)));
    for (uint64_t i = 0; i < SPI_processed; ++i) {
        events[i] = readPast(SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
        events[i].noDeliveries = noDeliveries;
    }
    MemoryContextSwitchTo(spi);
    SPI_finish();
    return events;
}

// Did the handler fail because a row that it inserts is there already, from the first handling? The ids of rows that
// steps insert are derived from the id of the event, so the primary key of the table is violated then.
bool isPresent(const ErrorData* error) {
    if (error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION || error->schema_name == nullptr ||
        error->table_name == nullptr || error->constraint_name == nullptr)
        return false;
    Oid schema = get_namespace_oid(error->schema_name, true);
    Oid table = OidIsValid(schema) ? get_relname_relid(error->table_name, schema) : InvalidOid;
    if (!OidIsValid(table)) return false;
    Relation relation = table_open(table, AccessShareLock);
    RelationGetIndexList(relation);
    Oid index = relation->rd_pkindex;
    table_close(relation, AccessShareLock);
    const char* name = OidIsValid(index) ? get_rel_name(index) : nullptr;
    return name != nullptr && strcmp(name, error->constraint_name) == 0;
}

}  // namespace

SPECQL_FUNCTION(specql_replay_events) {
    ResultSet result(fcinfo);
    bool deliver = !PG_ARGISNULL(argumentCount) && PG_GETARG_BOOL(argumentCount);
    int count;
    PastEvent* events = read(fcinfo, !deliver, &count);
    auto* errors = static_cast<ErrorData**>(palloc0(sizeof(ErrorData*) * (count + 1)));
    handleEach(events, count, true, errors);
    for (int i = 0; i < count; ++i) {
        const ErrorData* error = errors[i] != nullptr ? capture::tellable(events[i].action, errors[i]) : nullptr;
        const char* texts[6] = {"handled", nullptr, nullptr, nullptr, nullptr, nullptr};
        if (error != nullptr) {
            texts[0] = isPresent(error) ? "present" : "failed";
            texts[1] = unpack_sql_state(error->sqlerrcode);
            texts[2] = error->message;
            texts[3] = error->detail;
            texts[4] = error->hint;
            texts[5] = error->context;
        }
        Datum values[7] = {UUIDPGetDatum(&events[i].id)};
        bool nulls[7] = {false};
        for (int column = 0; column < 6; ++column) {
            nulls[column + 1] = texts[column] == nullptr;
            values[column + 1] = texts[column] == nullptr ? 0 : CStringGetTextDatum(texts[column]);
        }
        result.add(values, nulls);
    }
    return 0;
}

}  // namespace specql::history
