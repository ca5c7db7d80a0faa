#include "pg/capture/failure.hpp"

#include "pg/base/tables.hpp"
#include "pg/base/wake.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/capture/frame.hpp"

namespace specql::capture {

namespace {

const char* const recordSql = R"(
INSERT INTO specql.failure
       (id, action, type, entity, relation, subject, data, occurred_at, xid, caused_by, root, depth, caller,
        sqlstate, message, detail, hint, context, status, attempts, first_failed_at, last_failed_at, next_attempt_at)
SELECT $7, $1, $8, $9, $10, $11, $12, $13, pg_current_xact_id(), $14, $15, $16, $18,
       $2, $3, $4, $5, $6, t.status, t.attempts, clock_timestamp(), clock_timestamp(), t.next_attempt_at
FROM specql.next_attempt($1, 0, $2, clock_timestamp(), $17) AS t)";

// The same with what every version of the table has, and none of its functions, for the time until ALTER EXTENSION
// specql UPDATE. The caller is kept if there is a place for it.
const char* const recordForUpdateSql = R"(
INSERT INTO specql.failure
       (id, action, type, entity, relation, subject, data, occurred_at, xid, caused_by, root, depth, %s
        sqlstate, message, detail, hint, context, status, attempts, first_failed_at, last_failed_at, next_attempt_at)
SELECT $7, $1, $8, $9, $10, $11, $12, $13, pg_current_xact_id(), $14, $15, $16, %s
       $2, $3, $4, $5, $6, 'failed', 0, clock_timestamp(), clock_timestamp(), clock_timestamp())";

const char* recordingSql() {
    if (hasMatchingVersion()) return recordSql;
    bool hasCaller = get_attnum(tableOid("failure"), "caller") != InvalidAttrNumber;
    return psprintf(recordForUpdateSql, hasCaller ? "caller," : "", hasCaller ? "$18," : "");
}

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
        sqlstate, message, detail, hint, context, status, attempts, first_failed_at, last_failed_at, next_attempt_at)
SELECT w.id, w.action, w.type, w.entity, w.relation, w.subject, w.data, w.occurred_at, w.xid, w.caused_by, w.root,
       w.depth, w.caller, $2, $3, $4, $5, $6, t.status, t.attempts, clock_timestamp(), clock_timestamp(),
       t.next_attempt_at
FROM specql.waiting_event AS w, specql.next_attempt($1, 0, $2, clock_timestamp(), $8 OR NOT w.deliver) AS t
WHERE w.id = $7 AND w.action = $1)";

constexpr int maxArguments = 18;

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
    void addError(const char* action, const ErrorData* error) {
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

// The parameters of recordSql for one event, allocated in the current memory context.
Arguments argumentsOf(EventSet* set, int64_t index, const ErrorData* error, bool park, Datum caller) {
    const Listener* listener = set->listener;
    const Lineage& lineage = set->lineage;
    readEvent(set, index);
    slot_getsomeattrs(set->row, captured::data + 1);
    const Datum* values = set->row->tts_values;
    const bool* nulls = set->row->tts_isnull;
    const pg_uuid_t* id = &set->ids[index];

    Arguments arguments;
    arguments.count = 0;
    arguments.addError(listener->action, error);
    arguments.add(UUIDOID, UUIDPGetDatum(id));
    arguments.addText(listener->eventType);
    arguments.addText(listener->entity);
    arguments.add(REGCLASSOID, ObjectIdGetDatum(listener->relation), !OidIsValid(listener->relation));
    arguments.add(TEXTOID, values[captured::subject], nulls[captured::subject]);
    arguments.add(JSONBOID, values[captured::data], nulls[captured::data]);
    arguments.add(TIMESTAMPTZOID, values[captured::time]);
    arguments.add(UUIDOID, UUIDPGetDatum(&lineage.causedBy), !lineage.caused);
    arguments.add(UUIDOID, UUIDPGetDatum(lineage.caused ? &lineage.root : id));
    arguments.add(INT4OID, Int32GetDatum(lineage.depth));
    arguments.add(BOOLOID, BoolGetDatum(park));
    arguments.add(JSONBOID, caller, caller == 0);
    return arguments;
}

}  // namespace

void recordFailures(EventSet* set, int64_t first, int64_t count, const ErrorData* error, bool park) {
    // A retry would run outside of the replay and deliver, so nothing is recorded: the event that is replayed fails.
    if (deliversNothing(currentFrame())) ReThrowError(const_cast<ErrorData*>(error));
    // Thousands of events may fail at once, so the statement is planned once and memory is freed after each event.
    MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "specql failure", ALLOCSET_SMALL_SIZES);
    Datum caller = callerToStore(set->caller);
    runAsExtensionOwner([set, first, count, error, park, scratch, caller] {
        SPI_connect();
        SPIPlanPtr plan = nullptr;
        for (int64_t i = first; i < first + count; ++i) {
            MemoryContext before = MemoryContextSwitchTo(scratch);
            Arguments arguments = argumentsOf(set, i, error, park, caller);
            MemoryContextSwitchTo(before);
            if (plan == nullptr) plan = SPI_prepare(recordingSql(), arguments.count, arguments.types);
            if (plan == nullptr)
                elog(ERROR, "specql: preparing to record failures gave %s", SPI_result_code_string(SPI_result));
            int code = SPI_execute_plan(plan, arguments.values, arguments.nulls, false, 0);
            if (code < 0) elog(ERROR, "specql: recording a failure gave %s", SPI_result_code_string(code));
            MemoryContextReset(scratch);
            CHECK_FOR_INTERRUPTS();
        }
        SPI_finish();
    });
    MemoryContextDelete(scratch);
    wakeWorkerAtCommit();
}

void recordWaitingFailure(const pg_uuid_t* id, const char* action, const ErrorData* error) {
    Arguments arguments;
    arguments.count = 0;
    arguments.addError(action, error);
    arguments.add(UUIDOID, UUIDPGetDatum(id));
    arguments.add(BOOLOID, BoolGetDatum(error->sqlerrcode == sqlstate::cascadeTooDeep));
    execute(recordWaitingSql, &arguments);
    wakeWorkerAtCommit();
}

void recordFailureAgain(const pg_uuid_t* id, const char* action, const ErrorData* error, bool park) {
    Arguments arguments;
    arguments.count = 0;
    arguments.addError(action, error);
    arguments.add(UUIDOID, UUIDPGetDatum(id));
    arguments.add(BOOLOID, BoolGetDatum(park));
    execute(recordAgainSql, &arguments);
}

void recordCountedFailure(const pg_uuid_t* id, const char* action, const ErrorData* error) {
    Arguments arguments;
    arguments.count = 0;
    arguments.addError(action, error);
    arguments.add(UUIDOID, UUIDPGetDatum(id));
    execute(recordCountedSql, &arguments);
}

void postponeRetry(const pg_uuid_t* id, const char* action) {
    Arguments arguments;
    arguments.count = 0;
    arguments.add(UUIDOID, UUIDPGetDatum(id));
    arguments.addText(action);
    execute(postponeSql, &arguments);
}

}  // namespace specql::capture
