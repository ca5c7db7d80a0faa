// The part of the Courier that uses SQL.
#include "pg/worker/courier.hpp"

#include "pg/base/server.hpp"
#include "pg/base/worker_settings.hpp"
#include "pg/bridge/subtransaction.hpp"

namespace specql::worker {

namespace {

// The elements of an array, collected for a parameter of a statement.
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

// Adds a text from a receiver or libcurl, with bytes replaced by "?" that the encoding of the database does not allow.
// An empty text is added as NULL.
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
Datum booleans(const Column& column) {
    return arrayOf(column, BOOLOID, 1, true, TYPALIGN_CHAR);
}
Datum uuids(const Column& column) {
    return arrayOf(column, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR);
}

// A statement is prepared once per process. `sql` is a literal: it is compared as a pointer.
SPIPlanPtr planOf(const char* sql, int count, const Oid* types) {
    static struct {
        const char* sql;
        SPIPlanPtr plan;
    } plans[8];
    for (auto& known : plans) {
        if (known.sql == sql) return known.plan;
        if (known.sql != nullptr) continue;
        SPIPlanPtr plan = SPI_prepare(sql, count, const_cast<Oid*>(types));
        if (plan == nullptr || SPI_keepplan(plan) != 0)
            elog(ERROR, "specql: %s gave %s", sql, SPI_result_code_string(SPI_result));
        known = {sql, plan};
        return plan;
    }
    elog(ERROR, "specql: too many statements");
}

// `nulls` as SPI takes them: 'n' for NULL.
void execute(const char* sql, int count, const Oid* types, const Datum* values, const char* nulls = nullptr) {
    int code = SPI_execute_plan(planOf(sql, count, types), const_cast<Datum*>(values), nulls, false, 0);
    if (code < 0) elog(ERROR, "specql: %s gave %s", sql, SPI_result_code_string(code));
}

void warn(const char* what, ErrorData* error) {
    ereport(WARNING, (errcode(error->sqlerrcode), errmsg("specql: %s: %s", what, error->message)));
    FreeErrorData(error);
}

struct Row {
    HeapTuple tuple;
    TupleDesc descriptor;
    MemoryContext keep;  // values are copied into this context
};

Datum cell(const Row& row, int column) {
    bool isNull;
    return SPI_getbinval(row.tuple, row.descriptor, column, &isNull);
}

const char* textCell(const Row& row, int column) {
    char* value = SPI_getvalue(row.tuple, row.descriptor, column);
    return MemoryContextStrdup(row.keep, value != nullptr ? value : "");
}

// A large text, which is copied only once; nullptr for NULL.
const char* bodyCell(const Row& row, int column) {
    bool isNull;
    Datum body = SPI_getbinval(row.tuple, row.descriptor, column, &isNull);
    if (isNull) return nullptr;
    MemoryContext before = MemoryContextSwitchTo(row.keep);
    char* value = TextDatumGetCString(body);
    MemoryContextSwitchTo(before);
    return value;
}

// An array; nullptr for NULL.
const char** textsCell(const Row& row, int column, int* count) {
    Datum* values;
    bool* nulls;
    *count = 0;
    bool isNull;
    Datum array = SPI_getbinval(row.tuple, row.descriptor, column, &isNull);
    if (isNull) return nullptr;
    deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, count);
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
    claim.body = bodyCell(row, 6);
    claim.timeoutMs = DatumGetInt32(cell(row, 7));
    claim.attempt = DatumGetInt32(cell(row, 8));
    claim.maxAttempts = DatumGetInt32(cell(row, 9));
    claim.backoffMs = DatumGetInt64(cell(row, 10));
    claim.retryOn = integersCell(row, 11, &claim.retryOnCount);
    claim.secrets = textsCell(row, 12, &claim.secretCount);
    claim.failures = DatumGetInt32(cell(row, 13));
    claim.pauses = DatumGetInt32(cell(row, 14));
    claim.access = textsCell(row, 15, &claim.accessCount);
    claim.heard = DatumGetBool(cell(row, 16));
    claim.answerMs = DatumGetInt64(cell(row, 17));
    claim.batch = DatumGetInt32(cell(row, 18));
    return claim;
}

}  // namespace

// A call whose result cannot be stored keeps its lease, and is made again when the lease ends, until its attempts are
// used up.
void Courier::record() const {
    if (!outcomes_.empty()) {
        ErrorData* error = trySubtransaction([this] { recordOutcomes(0, outcomes_.size()); });
        for (size_t i = 0; error != nullptr && i < outcomes_.size(); ++i) {
            ErrorData* own = trySubtransaction([this, i] { recordOutcomes(i, 1); });
            if (own != nullptr) warn("the result of a call cannot be recorded", own);
        }
    }
    ErrorData* error = trySubtransaction([this] { recordServices(); });
    if (error != nullptr) warn("what became of services cannot be recorded", error);
}

void Courier::recordOutcomes(size_t first, size_t count) const {
    Column ids = makeColumn(count), verdicts = makeColumn(count), delays = makeColumn(count),
           errors = makeColumn(count), statuses = makeColumn(count), responses = makeColumn(count),
           headers = makeColumn(count), cut = makeColumn(count);
    for (size_t i = first; i < first + count; ++i) {
        const Outcome& outcome = outcomes_[i];
        add(&ids, UUIDPGetDatum(&outcome.id));
        add(&verdicts, CStringGetTextDatum(outcome.verdict));
        add(&delays, Int64GetDatum(outcome.delayMs));
        addText(&errors, outcome.error);
        statuses.nulls[statuses.count] = outcome.status == 0;
        add(&statuses, Int32GetDatum(outcome.status));
        addText(&responses, outcome.response);
        addText(&headers, outcome.headers);
        add(&cut, BoolGetDatum(outcome.cut));
    }
    const Oid types[] = {UUIDARRAYOID, TEXTARRAYOID, INT8ARRAYOID, TEXTARRAYOID,
                         INT4ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, BOOLARRAYOID};
    const Datum values[] = {uuids(ids),         texts(verdicts),  bigints(delays), texts(errors),
                            integers(statuses), texts(responses), texts(headers),  booleans(cut)};
    execute("SELECT specql.record_results($1, $2, $3, $4, $5, $6, $7, $8)", lengthof(types), types, values);
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
    int sent = 0;
    if (waitsForStandby()) return sent;
    for (bool oneByOne : {false, true}) {
        ErrorData* error = trySubtransaction([this, limit, oneByOne, &sent] {
            const Oid types[] = {INT4OID, TIMESTAMPTZOID, BOOLOID};
            const Datum values[] = {Int32GetDatum(limit), TimestampTzGetDatum(dueBy_), BoolGetDatum(oneByOne)};
            execute("SELECT specql.send_notifications($1, $2, $3)", lengthof(types), types, values);
            Row row = {SPI_tuptable->vals[0], SPI_tuptable->tupdesc, CurrentMemoryContext};
            sent = DatumGetInt32(cell(row, 1));
            SPI_freetuptable(SPI_tuptable);
        });
        if (error == nullptr) break;
        sent = 0;
        warn("notifications cannot be sent", error);
    }
    return sent;
}

Claims Courier::claim(int limit, int mostCalls) const {
    limit = Min(limit, room());
    Claims claims = {nullptr, 0};
    if (limit <= 0 || waitsForStandby()) return claims;
    ErrorData* error =
        trySubtransaction([this, limit, mostCalls, &claims] { claims = claimOf(nullptr, limit, mostCalls); });
    if (error == nullptr) return claims;
    FreeErrorData(error);
    return claimByService(limit, mostCalls);
}

// Claims for each service separately, after a claim for all has failed. For a service that fails by itself,
// specql.set_aside() sets the delivery aside that causes the error.
Claims Courier::claimByService(int limit, int mostCalls) const {
    MemoryContext keep = CurrentMemoryContext;
    Claims all = {nullptr, 0};
    execute("SELECT s.name FROM specql.service AS s WHERE s.url IS NOT NULL AND s.disabled IS NULL ORDER BY random()",
            0, nullptr, nullptr);
    MemoryContextSwitchTo(keep);  // SPI has switched to its own
    SPITupleTable* services = SPI_tuptable;
    uint64 count = SPI_processed;
    // One service at a time, because the memory that is left is computed before the claim.
    for (uint64 i = 0; i < count && all.count == 0; ++i) {
        const char* name = textCell({services->vals[i], services->tupdesc, keep}, 1);
        ErrorData* error =
            trySubtransaction([this, name, limit, mostCalls, &all] { all = claimOf(name, limit, mostCalls); });
        if (error == nullptr) continue;
        all = {nullptr, 0};
        const char* reason = error->message;
        ErrorData* own = trySubtransaction([this, name, reason] {
            const Oid types[] = {TEXTOID, TEXTOID, TIMESTAMPTZOID};
            const Datum values[] = {CStringGetTextDatum(name), CStringGetTextDatum(reason),
                                    TimestampTzGetDatum(dueBy_)};
            execute("SELECT specql.set_aside($1, $2, $3)", lengthof(types), types, values);
        });
        warn(psprintf("calls of service %s cannot be made", name), error);
        if (own != nullptr) warn("what is the cause cannot be set aside", own);
    }
    SPI_freetuptable(services);
    return all;
}

// Claims calls of one service, or for nullptr of all.
Claims Courier::claimOf(const char* service, int limit, int mostCalls) const {
    MemoryContext keep = CurrentMemoryContext;
    Claims claims = {nullptr, 0};
    MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "specql claim", ALLOCSET_DEFAULT_SIZES);
    MemoryContextSwitchTo(scratch);
    Column names = makeColumn(services_.size()), busy = makeColumn(services_.size());
    for (const auto& entry : services_) {
        addText(&names, entry.first);
        add(&busy, Int32GetDatum(entry.second.busy));
    }
    // At most three quarters of the calls are for one service, so that a slow one does not block the others.
    int perService = Max(1, settings::maxConcurrency * 2 * 3 / 4);
    Memory bytes = memory();
    const Oid types[] = {INT4OID,      INT4OID, INT4OID, INT4OID, INT4OID,        TEXTARRAYOID,
                         INT4ARRAYOID, INT8OID, INT8OID, BOOLOID, TIMESTAMPTZOID, TEXTOID};
    const Datum values[] = {Int32GetDatum(workerNumber_),
                            Int32GetDatum(limit),
                            Int32GetDatum(mostCalls),
                            Int32GetDatum(perService),
                            Int32GetDatum(delivery::Breaker::failuresToOpen),
                            texts(names),
                            integers(busy),
                            Int64GetDatum(static_cast<int64>(bytes.left)),
                            Int64GetDatum(static_cast<int64>(bytes.large)),
                            BoolGetDatum(bytes.roomForLarge),
                            TimestampTzGetDatum(dueBy_),
                            service != nullptr ? CStringGetTextDatum(service) : 0};
    char nulls[lengthof(types) + 1];
    memset(nulls, ' ', lengthof(types));
    nulls[lengthof(types)] = '\0';
    if (service == nullptr) nulls[lengthof(types) - 1] = 'n';
    execute("SELECT * FROM specql.claim_calls($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)", lengthof(types),
            types, values, nulls);
    MemoryContextSwitchTo(scratch);  // SPI has switched to its own
    claims.count = static_cast<int>(SPI_processed);
    claims.items = static_cast<Claim*>(MemoryContextAlloc(keep, sizeof(Claim) * Max(claims.count, 1)));
    for (int i = 0; i < claims.count; ++i) {
        claims.items[i] = readClaim({SPI_tuptable->vals[i], SPI_tuptable->tupdesc, keep});
        heap_freetuple(SPI_tuptable->vals[i]);
    }
    SPI_freetuptable(SPI_tuptable);
    MemoryContextSwitchTo(keep);
    MemoryContextDelete(scratch);
    return claims;
}

}  // namespace specql::worker
