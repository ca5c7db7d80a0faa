#include "pg/capture/failure.hpp"

#include "pg/base/clock.hpp"
#include "pg/base/table_writer.hpp"
#include "pg/base/tables.hpp"
#include "pg/base/uuid.hpp"
#include "pg/base/wake.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/bridge/spi.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/capture/event_columns.hpp"
#include "pg/capture/frame.hpp"
#include "pg/capture/registry.hpp"
#include "pg/capture/tellable.hpp"

namespace specql::capture {

namespace {

const char* const afterErrorSql = R"(
SELECT a.status, a.attempts, (extract(epoch FROM a.shortest_pause) * 1000000)::bigint,
       (extract(epoch FROM a.longest_pause) * 1000000)::bigint
FROM specql.after_error($1, 0, $2, clock_timestamp(), $3) AS a)";

const char* const recordAgainSql = R"(
UPDATE specql.failure AS f
SET status = t.status, attempts = t.attempts, sqlstate = $2, message = $3, detail = $4, hint = $5, context = $6,
    last_failed_at = clock_timestamp(), next_attempt_at = t.next_attempt_at
FROM specql.failure AS g, specql.next_attempt($1, g.attempts, $2, g.first_failed_at, $8) AS t
WHERE f.id = $7 AND f.action = $1 AND g.id = $7 AND g.action = $1)";

const char* const recordCountedSql = R"(
UPDATE specql.failure AS f
SET status = t.status, attempts = t.attempts, sqlstate = $2, message = $3, detail = $4, hint = $5, context = $6,
    last_failed_at = clock_timestamp(), next_attempt_at = t.next_attempt_at
FROM specql.failure AS g, specql.next_attempt($1, g.attempts - 1, $2, g.first_failed_at, false) AS t
WHERE f.id = $7 AND f.action = $1 AND g.id = $7 AND g.action = $1)";

const char* const postponeSql = R"(
UPDATE specql.failure AS f SET next_attempt_at = specql.clock() + interval '1 s' * (0.5 + random())
WHERE f.id = $1 AND f.action = $2 AND f.status = 'failed')";

const char* const recordWaitingSql = R"(
INSERT INTO specql.failure
       (id, action, type, entity, relation, subject, data, occurred_at, xid, caused_by, root, depth, caller,
        traceparent, settings, sqlstate, message, detail, hint, context, status, attempts, first_failed_at,
        last_failed_at, next_attempt_at)
SELECT w.id, w.action, w.type, w.entity, w.relation, w.subject, w.data, w.occurred_at, w.xid, w.caused_by, w.root,
       w.depth, w.caller, w.traceparent, w.settings, $2, $3, $4, $5, $6, t.status, t.attempts,
       clock_timestamp(), clock_timestamp(), t.next_attempt_at
FROM specql.waiting_event AS w, specql.next_attempt($1, 0, $2, clock_timestamp(), $8 OR NOT w.deliver) AS t
WHERE w.id = $7 AND w.action = $1)";

const char* const tellParkedSql = "SELECT specql.tell_of_parked($1, $2)";

constexpr int maxArguments = 8;

struct Arguments {
    Oid types[maxArguments];
    Datum values[maxArguments];
    char nulls[maxArguments];
    int count;

    void add(Oid type, Datum value, bool isNull = false) {
        types[count] = type;
        values[count] = value;
        nulls[count++] = isNull ? 'n' : ' ';
    }
    void addText(const char* value) {
        if (value == nullptr)
            add(TEXTOID, 0, true);
        else
            add(TEXTOID, CStringGetTextDatum(value));
    }
    // $1 to $6 of all statements that store an error.
    void addError(const char* action, const ErrorData* raised) {
        const ErrorData* error = tellable(action, raised);
        addText(action);
        addText(unpack_sql_state(error->sqlerrcode));
        addText(error->message);
        addText(error->detail);
        addText(error->hint);
        addText(error->context);
    }
};

void execute(const char* sql, const Arguments* arguments) {
    runAsExtensionOwner([sql, arguments] {
        SPI_connect();
        int code = SPI_execute_with_args(sql, arguments->count, const_cast<Oid*>(arguments->types),
                                         const_cast<Datum*>(arguments->values), arguments->nulls, false, 0);
        if (code < 0) elog(ERROR, "specql: recording a failure gave %s", SPI_result_code_string(code));
        SPI_finish();
    });
}

// Whoever listens is told of those of these failures that are parked now.
void tellOfParked(const char* action, Datum* ids, int count) {
    if (count == 0 || !hasMatchingVersion() || eventListeners("specql.event_parked", nullptr) == NIL) return;
    Arguments arguments;
    arguments.count = 0;
    arguments.addText(action);
    arguments.add(UUIDARRAYOID, PointerGetDatum(construct_array(ids, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR)));
    execute(tellParkedSql, &arguments);
}

void tellOfParked(const char* action, const pg_uuid_t* id) {
    Datum only = UUIDPGetDatum(id);
    tellOfParked(action, &only, 1);
}

// The columns of specql.failure, in the order of its definition.
enum Column {
    id,
    action,
    type,
    entity,
    relation,
    subject,
    data,
    occurredAt,
    xid,
    causedBy,
    root,
    depth,
    status,
    attempts,
    sqlstate,
    message,
    detail,
    hint,
    context,
    firstFailedAt,
    lastFailedAt,
    nextAttemptAt,
    caller,
    traceparent,
    settings
};
constexpr EventColumns eventColumns = {id,  type,     action, entity, relation, subject,     data,    occurredAt,
                                       xid, causedBy, root,   depth,  caller,   traceparent, settings};

// What becomes of an event that fails for the first time.
struct Verdict {
    const char* status;
    int attempts;
    int64_t shortestPause, longestPause;  // microseconds
};

Verdict askForVerdict(const char* action, const char* state, bool park) {
    Verdict verdict = {"parked", 0, 0, 0};
    runAsExtensionOwner([action, state, park, &verdict] {
        spi::connect();
        (void)spi::query(afterErrorSql, {{TEXTOID, CStringGetTextDatum(action)},
                                         {TEXTOID, CStringGetTextDatum(state)},
                                         {BOOLOID, BoolGetDatum(park)}});
        HeapTuple row = SPI_tuptable->vals[0];
        TupleDesc descriptor = SPI_tuptable->tupdesc;
        bool isParked, isNull;
        verdict.attempts = DatumGetInt32(SPI_getbinval(row, descriptor, 2, &isNull));
        verdict.shortestPause = DatumGetInt64(SPI_getbinval(row, descriptor, 3, &isParked));
        verdict.longestPause = DatumGetInt64(SPI_getbinval(row, descriptor, 4, &isParked));
        if (!isParked) verdict.status = "failed";
        spi::finish();
    });
    return verdict;
}

// The last answer, for the events of a statement that fail one after the other.
struct LastVerdict {
    char action[2 * NAMEDATALEN + 8];
    char state[6];
    bool park;
    TimestampTz statement;
    Verdict verdict;
};

Verdict verdictOn(const char* action, const char* state, bool park) {
    static LastVerdict last;
    // Until ALTER EXTENSION specql UPDATE the database may have none of the functions that are asked.
    if (!hasMatchingVersion()) return {"failed", 0, 0, 0};
    TimestampTz statement = GetCurrentStatementStartTimestamp();
    if (last.statement == statement && last.park == park && strcmp(last.state, state) == 0 &&
        strcmp(last.action, action) == 0)
        return last.verdict;
    Verdict verdict = askForVerdict(action, state, park);
    if (strlen(action) < sizeof last.action) {
        strlcpy(last.action, action, sizeof last.action);
        strlcpy(last.state, state, sizeof last.state);
        last.park = park;
        last.statement = statement;
        last.verdict = verdict;
    }
    return verdict;
}

void setText(TupleTableSlot* row, Column column, const char* value) {
    if (value != nullptr) setColumn(row, column, CStringGetTextDatum(value));
}

void fillError(TupleTableSlot* row, const ErrorData* error, const Verdict& verdict) {
    setText(row, status, verdict.status);
    setColumn(row, attempts, Int32GetDatum(verdict.attempts));
    setText(row, sqlstate, unpack_sql_state(error->sqlerrcode));
    setText(row, message, error->message);
    setText(row, detail, error->detail);
    setText(row, hint, error->hint);
    setText(row, context, error->context);
    TimestampTz now = GetCurrentTimestamp();
    setColumn(row, firstFailedAt, TimestampTzGetDatum(now));
    setColumn(row, lastFailedAt, TimestampTzGetDatum(now));
    if (strcmp(verdict.status, "parked") == 0) return;
    int64_t pause = randomBetween(verdict.shortestPause, verdict.longestPause);
    setColumn(row, nextAttemptAt, TimestampTzGetDatum(engineTime() + pause));
}

}  // namespace

void recordFailures(EventSet* set, const List* failed, bool park) {
    MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "specql failure", ALLOCSET_DEFAULT_SIZES);
    MemoryContext perEvent = AllocSetContextCreate(scratch, "specql failed event", ALLOCSET_SMALL_SIZES);
    MemoryContext before = MemoryContextSwitchTo(scratch);
    EventOrigin origin = originOf(set, callerToStore(set->caller));
    int64_t count = 0;
    ListCell* cell;
    foreach (cell, failed)
        count += static_cast<const FailedRange*>(lfirst(cell))->count;
    BulkWriter* rows = openWriter("failure", count);
    auto* parked = static_cast<Datum*>(MemoryContextAllocHuge(scratch, sizeof(Datum) * count));
    int parkedCount = 0;
    foreach (cell, failed) {
        const auto* range = static_cast<const FailedRange*>(lfirst(cell));
        // A retry would run outside of the replay and deliver, so nothing is recorded: the event that is replayed
        // fails.
        if (deliversNothing(currentFrame())) ReThrowError(const_cast<ErrorData*>(range->error));
        Verdict verdict = verdictOn(set->listener->action, unpack_sql_state(range->error->sqlerrcode), park);
        const ErrorData* error = tellable(set->listener->action, range->error);
        MemoryContextSwitchTo(perEvent);
        for (int64_t i = range->first; i < range->first + range->count; ++i) {
            TupleTableSlot* row = nextRow(rows);
            fillEvent(row, eventColumns, origin, set, i);
            fillError(row, error, verdict);
            writeRow(rows);
            MemoryContextReset(perEvent);
            if (strcmp(verdict.status, "parked") == 0) parked[parkedCount++] = UUIDPGetDatum(&set->ids[i]);
        }
        MemoryContextSwitchTo(scratch);
    }
    closeWriter(rows);
    tellOfParked(set->listener->action, parked, parkedCount);
    MemoryContextSwitchTo(before);
    MemoryContextDelete(scratch);
    wakeWorkerAtCommit();
}

void recordFailures(EventSet* set, int64_t first, int64_t count, const ErrorData* error, bool park) {
    FailedRange range = {first, count, error};
    recordFailures(set, list_make1(&range), park);
}

void recordWaitingFailure(const pg_uuid_t* id, const char* action, const ErrorData* error) {
    Arguments arguments;
    arguments.count = 0;
    arguments.addError(action, error);
    arguments.add(UUIDOID, UUIDPGetDatum(id));
    arguments.add(BOOLOID, BoolGetDatum(error->sqlerrcode == sqlstate::cascadeTooDeep));
    execute(recordWaitingSql, &arguments);
    tellOfParked(action, id);
    wakeWorkerAtCommit();
}

void recordFailureAgain(const pg_uuid_t* id, const char* action, const ErrorData* error, bool park) {
    Arguments arguments;
    arguments.count = 0;
    arguments.addError(action, error);
    arguments.add(UUIDOID, UUIDPGetDatum(id));
    arguments.add(BOOLOID, BoolGetDatum(park));
    execute(recordAgainSql, &arguments);
    tellOfParked(action, id);
}

void recordCountedFailure(const pg_uuid_t* id, const char* action, const ErrorData* error) {
    Arguments arguments;
    arguments.count = 0;
    arguments.addError(action, error);
    arguments.add(UUIDOID, UUIDPGetDatum(id));
    execute(recordCountedSql, &arguments);
    tellOfParked(action, id);
}

void postponeRetry(const pg_uuid_t* id, const char* action) {
    Arguments arguments;
    arguments.count = 0;
    arguments.add(UUIDOID, UUIDPGetDatum(id));
    arguments.addText(action);
    execute(postponeSql, &arguments);
}

}  // namespace specql::capture
