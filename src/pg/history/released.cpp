// specql.handle_released: handles the events that waited for specql.resume.
#include "pg/history/released.hpp"

#include "pg/base/event_settings.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/bridge/settings.hpp"
#include "pg/bridge/spi.hpp"
#include "pg/capture/failure.hpp"
#include "pg/history/past.hpp"

namespace specql::history {

namespace {

// Claims by row locks, so that two sessions do not handle an event twice. $3 is the last id of the batch before:
// without it each claim would scan all index entries of the rows that this transaction has deleted already. $4: only
// what this transaction has brought.
const char* const claimSql = "SELECT " PAST_COLUMNS R"(, deliver FROM specql.waiting_event
WHERE action = $1 AND id > $3 AND (NOT $4 OR xid = pg_current_xact_id()) ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)";

const char* const releasedSql =
    "SELECT r.action FROM specql.released_actions AS r WHERE specql.sees(r.action) ORDER BY r.action";

const char* const matchedSql =
    "SELECT r.action FROM specql.released_actions AS r WHERE specql.sees(r.action) AND EXISTS ("
    "SELECT FROM specql.action AS a WHERE a.action = r.action AND a.part = 'match') ORDER BY r.action";

const char* const doneSql = "DELETE FROM specql.waiting_event WHERE action = $1 AND id = ANY ($2)";

const char* const failSql = R"(
WITH moved AS (
    DELETE FROM specql.waiting_event AS w WHERE w.action = $1 AND w.id = ANY (ARRAY(
        SELECT v.id FROM specql.waiting_event AS v WHERE v.action = $1 ORDER BY v.id LIMIT $2 FOR UPDATE SKIP LOCKED))
    RETURNING w.*)
INSERT INTO specql.failure
       (id, action, type, entity, relation, subject, data, occurred_at, xid, caused_by, root, depth, caller,
        traceparent, settings, sqlstate, message, status, attempts, first_failed_at, last_failed_at, next_attempt_at)
SELECT m.id, m.action, m.type, m.entity, m.relation, m.subject, m.data, m.occurred_at, m.xid, m.caused_by, m.root,
       m.depth, m.caller, m.traceparent, m.settings, '57P01',
       'it was handled together with others, and the attempt ended its session',
       CASE WHEN m.deliver THEN 'failed' ELSE 'parked' END, 0, clock_timestamp(), clock_timestamp(),
       CASE WHEN m.deliver THEN specql.clock() END
FROM moved AS m)";

// Runs a statement as the extension's owner. It must use the index on (action, id), which planner statistics from the
// time when the table was empty would not choose. `read` reads the SPI result; its argument is the caller's memory
// context.
template <typename Read>
void execute(const char* sql, Oid* types, Datum* values, int count, Read&& read) {
    MemoryContext caller = CurrentMemoryContext;
    runAsExtensionOwner([sql, types, values, count, caller, &read] {
        setLocal("enable_seqscan", "off");
        setLocal("enable_bitmapscan", "off");
        setLocal("enable_sort", "off");
        SPI_connect();
        int code = SPI_execute_with_args(sql, count, types, values, nullptr, false, 0);
        if (code < 0) elog(ERROR, "specql: handling waiting events gave %s", SPI_result_code_string(code));
        read(caller);
        SPI_finish();
    });
}

PastEvent* claim(const char* action, int64_t limit, bool own, const pg_uuid_t* after, int* count) {
    Oid types[4] = {TEXTOID, INT8OID, UUIDOID, BOOLOID};
    Datum values[4] = {CStringGetTextDatum(action), Int64GetDatum(limit), UUIDPGetDatum(after), BoolGetDatum(own)};
    PastEvent* events = nullptr;
    execute(claimSql, types, values, 4, [count, &events](MemoryContext caller) {
        MemoryContext spi = MemoryContextSwitchTo(caller);
        *count = static_cast<int>(SPI_processed);
        events = static_cast<PastEvent*>(palloc(sizeof(PastEvent) * (SPI_processed + 1)));
        for (uint64_t i = 0; i < SPI_processed; ++i) {
            bool isNull;
            events[i] = readPast(SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
            events[i].noDeliveries =
                !DatumGetBool(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, pastColumns + 1, &isNull));
        }
        MemoryContextSwitchTo(spi);
    });
    return events;
}

void remove(const char* action, const PastEvent* events, int count) {
    auto* ids = static_cast<Datum*>(palloc(sizeof(Datum) * count));
    for (int i = 0; i < count; ++i)
        ids[i] = UUIDPGetDatum(&events[i].id);
    ArrayType* array = construct_array(ids, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR);
    Oid types[2] = {TEXTOID, UUIDARRAYOID};
    Datum values[2] = {CStringGetTextDatum(action), PointerGetDatum(array)};
    execute(doneSql, types, values, 2, [](MemoryContext) {});
}

// Handles up to `limit` events of an action with ids after `after`, sets that to the last id, and returns their number.
// Those that fail are added to `failed`.
int handleSome(const char* action, int64_t limit, bool own, pg_uuid_t* after, int64_t* failed) {
    int count;
    PastEvent* events = claim(action, limit, own, after, &count);
    if (count == 0) return 0;
    auto* errors = static_cast<ErrorData**>(palloc0(sizeof(ErrorData*) * count));
    handleEach(events, count, false, errors);
    for (int i = 0; i < count; ++i)
        if (errors[i] != nullptr) {
            capture::recordWaitingFailure(&events[i].id, action, errors[i]);
            ++*failed;
        }
    remove(action, events, count);
    *after = events[count - 1].id;
    return count;
}

// The names that one of the two queries gives.
char** actionsOf(const char* sql, int* count) {
    MemoryContext caller = CurrentMemoryContext;
    SPI_connect();
    int code = SPI_execute(sql, false, 0);
    if (code != SPI_OK_SELECT) elog(ERROR, "specql: looking for waiting events gave %s", SPI_result_code_string(code));
    MemoryContext spi = MemoryContextSwitchTo(caller);
    *count = static_cast<int>(SPI_processed);
    auto** names = static_cast<char**>(palloc(sizeof(char*) * (SPI_processed + 1)));
    for (uint64_t i = 0; i < SPI_processed; ++i)
        names[i] = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);
    MemoryContextSwitchTo(spi);
    SPI_finish();
    return names;
}

// `own`: only events that this transaction has brought.
int64_t handleAll(const char* action, int64_t limit, bool own = false) {
    MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "specql resume", ALLOCSET_DEFAULT_SIZES);
    MemoryContext before = MemoryContextSwitchTo(scratch);
    pg_uuid_t after;
    memset(&after, 0, sizeof after);
    int64_t handled = 0, failed = 0;
    while (handled < limit) {
        int64_t some = Min(limit - handled, static_cast<int64_t>(Max(settings::batchSize, 1)));
        int count = handleSome(action, some, own, &after, &failed);
        if (count == 0) break;
        handled += count;
        MemoryContextReset(scratch);
    }
    MemoryContextSwitchTo(before);
    MemoryContextDelete(scratch);
    if (failed > 0)
        ereport(WARNING, (errmsg("action %s failed for %lld of %lld events that waited", action,
                                 static_cast<long long>(failed), static_cast<long long>(handled)),
                          errhint("They are in specql.failures and are tried again by specql.drain().")));
    return handled;
}

int64_t handleOf(const char* sql, int64_t limit) {
    int count;
    char** actions = actionsOf(sql, &count);
    int64_t handled = 0;
    for (int i = 0; i < count && handled < limit; ++i)
        handled += handleAll(actions[i], limit - handled);
    return handled;
}

}  // namespace

int64_t handleReleased(const char* action, int64_t limit) {
    return action != nullptr ? handleAll(action, limit) : handleOf(releasedSql, limit);
}

int64_t handleMatches(int64_t limit) {
    return handleOf(matchedSql, limit);
}

void failReleased(const char* action, int64_t limit) {
    Oid types[2] = {TEXTOID, INT8OID};
    Datum values[2] = {CStringGetTextDatum(action), Int64GetDatum(limit)};
    execute(failSql, types, values, 2, [](MemoryContext) {});
}

// In 0.1.0 the action may be NULL.
SPECQL_FUNCTION(specql_handle_released) {
    const char* action = PG_ARGISNULL(0) ? nullptr : text_to_cstring(PG_GETARG_TEXT_PP(0));
    PG_RETURN_INT64(handleReleased(action, PG_INT64_MAX));
}

// specql.handle_own_answers(action): the same with what this transaction has brought, for generated tests, which are
// rolled back.
SPECQL_FUNCTION(specql_handle_own_answers) {
    spi::connect();
    spi::query("SELECT specql.require_action($1, specql.viewer())", {{TEXTOID, PG_GETARG_DATUM(0)}});
    spi::finish();
    PG_RETURN_INT64(handleAll(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_INT64_MAX, true));
}

}  // namespace specql::history
