// The courier's side that speaks to the database: plain data in, plain data out.
#include "pg/worker/courier.hpp"

#include "pg/events/server.hpp"
#include "pg/worker/settings.hpp"

namespace specql {

namespace {

// An array of texts that may be NULL, given as a pointer to the first; empty strings are NULL.
struct Column {
    Datum* values;
    bool* nulls;
    int count;
};

Column makeColumn(size_t count) {
    Column column;
    column.values = static_cast<Datum*>(palloc0(sizeof(Datum) * Max(count, 1)));
    column.nulls = static_cast<bool*>(palloc0(sizeof(bool) * Max(count, 1)));
    column.count = 0;
    return column;
}

void add(Column* column, Datum value) {
    column->values[column->count++] = value;
}

// What a receiver or libcurl said, as text that the database can hold.
void addText(Column* column, const std::string& text) {
    if (text.empty()) {
        column->nulls[column->count++] = true;
        return;
    }
    char* copy = static_cast<char*>(palloc(text.size() + 1));
    memcpy(copy, text.data(), text.size());
    copy[text.size()] = '\0';
    for (size_t i = 0; i < text.size(); ++i)
        if (copy[i] == '\0') copy[i] = '?';
    if (!pg_verify_mbstr(GetDatabaseEncoding(), copy, static_cast<int>(text.size()), true))
        for (size_t i = 0; i < text.size(); ++i)
            if (static_cast<unsigned char>(copy[i]) >= 0x80) copy[i] = '?';
    add(column, CStringGetTextDatum(copy));
}

Datum arrayOf(const Column& column, Oid type, int16 width, bool byValue, char align) {
    int dimensions[1] = {column.count};
    int bounds[1] = {1};
    return PointerGetDatum(
        construct_md_array(column.values, column.nulls, 1, dimensions, bounds, type, width, byValue, align));
}

Datum texts(const Column& column) {
    return arrayOf(column, TEXTOID, -1, false, TYPALIGN_INT);
}
Datum integers(const Column& column) {
    return arrayOf(column, INT4OID, 4, true, TYPALIGN_INT);
}
Datum bigints(const Column& column) {
    return arrayOf(column, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}
Datum times(const Column& column) {
    return arrayOf(column, TIMESTAMPTZOID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}
Datum uuids(const Column& column) {
    return arrayOf(column, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR);
}

void execute(const char* sql, int count, const Oid* types, const Datum* values) {
    int code =
        SPI_execute_with_args(sql, count, const_cast<Oid*>(types), const_cast<Datum*>(values), nullptr, false, 0);
    if (code < 0) elog(ERROR, "specql: %s gave %s", sql, SPI_result_code_string(code));
}

struct Row {
    HeapTuple tuple;
    TupleDesc descriptor;
    MemoryContext keep;  // what the values are copied to
};

Datum cell(const Row& row, int column) {
    bool isNull;
    return SPI_getbinval(row.tuple, row.descriptor, column, &isNull);
}

const char* textCell(const Row& row, int column) {
    char* value = SPI_getvalue(row.tuple, row.descriptor, column);
    return MemoryContextStrdup(row.keep, value != nullptr ? value : "");
}

const char** textsCell(const Row& row, int column, int* count) {
    Datum* values;
    bool* nulls;
    deconstruct_array(DatumGetArrayTypeP(cell(row, column)), TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, count);
    auto** result = static_cast<const char**>(MemoryContextAlloc(row.keep, sizeof(char*) * Max(*count, 1)));
    for (int i = 0; i < *count; ++i)
        result[i] = MemoryContextStrdup(row.keep, nulls[i] ? "" : TextDatumGetCString(values[i]));
    return result;
}

int* integersCell(const Row& row, int column, int* count) {
    Datum* values;
    bool* nulls;
    deconstruct_array(DatumGetArrayTypeP(cell(row, column)), INT4OID, 4, true, TYPALIGN_INT, &values, &nulls, count);
    auto* result = static_cast<int*>(MemoryContextAlloc(row.keep, sizeof(int) * Max(*count, 1)));
    for (int i = 0; i < *count; ++i)
        result[i] = nulls[i] ? 0 : DatumGetInt32(values[i]);
    return result;
}

Claim readClaim(const Row& row) {
    Claim claim;
    claim.id = *DatumGetUUIDP(cell(row, 1));
    claim.idText = textCell(row, 1);
    claim.service = textCell(row, 2);
    claim.url = textCell(row, 3);
    claim.method = textCell(row, 4);
    claim.headers = textsCell(row, 5, &claim.headerCount);
    claim.body = textCell(row, 6);
    claim.timeoutMs = DatumGetInt32(cell(row, 7));
    claim.attempt = DatumGetInt32(cell(row, 8));
    claim.maxAttempts = DatumGetInt32(cell(row, 9));
    claim.backoffMs = DatumGetInt64(cell(row, 10));
    claim.retryOn = integersCell(row, 11, &claim.retryOnCount);
    claim.secrets = textsCell(row, 12, &claim.secretCount);
    claim.failures = DatumGetInt32(cell(row, 13));
    claim.pauses = DatumGetInt32(cell(row, 14));
    claim.dueAt = DatumGetTimestampTz(cell(row, 15));
    return claim;
}

}  // namespace

void Courier::record() const {
    if (!outcomes_.empty()) {
        Column ids = makeColumn(outcomes_.size()), verdicts = makeColumn(outcomes_.size()),
               delays = makeColumn(outcomes_.size()), errors = makeColumn(outcomes_.size()),
               statuses = makeColumn(outcomes_.size()), responses = makeColumn(outcomes_.size());
        for (const Outcome& outcome : outcomes_) {
            add(&ids, UUIDPGetDatum(&outcome.id));
            add(&verdicts, CStringGetTextDatum(outcome.verdict));
            add(&delays, Int64GetDatum(outcome.delayMs));
            addText(&errors, outcome.error);
            statuses.nulls[statuses.count] = outcome.status == 0;
            add(&statuses, Int32GetDatum(outcome.status));
            addText(&responses, outcome.response);
        }
        const Oid types[] = {UUIDARRAYOID, TEXTARRAYOID, INT8ARRAYOID, TEXTARRAYOID, INT4ARRAYOID, TEXTARRAYOID};
        const Datum values[] = {uuids(ids),    texts(verdicts),    bigints(delays),
                                texts(errors), integers(statuses), texts(responses)};
        execute("SELECT specql.record_results($1, $2, $3, $4, $5, $6)", lengthof(types), types, values);
    }
    recordServices();
}

void Courier::recordServices() const {
    size_t most = services_.size();
    Column names = makeColumn(most), failures = makeColumn(most), pauses = makeColumn(most), pauseMs = makeColumn(most),
           errors = makeColumn(most), disabled = makeColumn(most);
    for (const auto& entry : services_) {
        const Service& service = entry.second;
        if (!service.changed) continue;
        addText(&names, entry.first);
        add(&failures, Int32GetDatum(service.breaker.failures));
        add(&pauses, Int32GetDatum(service.breaker.pauses));
        add(&pauseMs, Int64GetDatum(service.pauseMs));
        addText(&errors, service.error);
        addText(&disabled, service.disabled);
    }
    if (names.count == 0) return;
    const Oid types[] = {TEXTARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID};
    const Datum values[] = {texts(names),     integers(failures), integers(pauses),
                            bigints(pauseMs), texts(errors),      texts(disabled)};
    execute("SELECT specql.record_services($1, $2, $3, $4, $5, $6)", lengthof(types), types, values);
}

int Courier::sendNotifications(int limit) const {
    const Oid types[] = {INT4OID};
    const Datum values[] = {Int32GetDatum(limit)};
    execute("SELECT specql.send_notifications($1)", 1, types, values);
    Row row = {SPI_tuptable->vals[0], SPI_tuptable->tupdesc, CurrentMemoryContext};
    return DatumGetInt32(cell(row, 1));
}

Claims Courier::claim(int limit) const {
    MemoryContext keep = CurrentMemoryContext;
    Claims claims = {nullptr, 0};
    limit = Min(limit, room());
    if (limit <= 0) return claims;
    MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "specql claim", ALLOCSET_DEFAULT_SIZES);
    MemoryContextSwitchTo(scratch);
    Column names = makeColumn(services_.size()), busy = makeColumn(services_.size());
    for (const auto& entry : services_) {
        addText(&names, entry.first);
        add(&busy, Int32GetDatum(entry.second.busy));
    }
    // One service that hangs must not take all connections.
    int perService = Max(1, settings::maxConcurrency * 2 * 3 / 4);
    Column reached = makeColumn(reached_.size()), reachedAt = makeColumn(reached_.size()),
           reachedId = makeColumn(reached_.size());
    for (const auto& entry : reached_) {
        addText(&reached, entry.first);
        add(&reachedAt, TimestampTzGetDatum(entry.second.dueAt));
        add(&reachedId, UUIDPGetDatum(&entry.second.id));
    }
    const Oid types[] = {INT4OID,      INT4OID,      INT4OID,      INT4OID,
                         TEXTARRAYOID, INT4ARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID,
                         UUIDARRAYOID};
    const Datum values[] = {Int32GetDatum(place_),
                            Int32GetDatum(limit),
                            Int32GetDatum(perService),
                            Int32GetDatum(Breaker::failuresToOpen),
                            texts(names),
                            integers(busy),
                            texts(reached),
                            times(reachedAt),
                            uuids(reachedId)};
    execute("SELECT * FROM specql.claim_calls($1, $2, $3, $4, $5, $6, $7, $8, $9)", lengthof(types), types, values);
    MemoryContextSwitchTo(scratch);  // SPI has left its own
    claims.count = static_cast<int>(SPI_processed);
    claims.items = static_cast<Claim*>(MemoryContextAlloc(keep, sizeof(Claim) * Max(claims.count, 1)));
    for (int i = 0; i < claims.count; ++i)
        claims.items[i] = readClaim({SPI_tuptable->vals[i], SPI_tuptable->tupdesc, keep});
    SPI_freetuptable(SPI_tuptable);
    MemoryContextSwitchTo(keep);
    MemoryContextDelete(scratch);
    return claims;
}

}  // namespace specql
