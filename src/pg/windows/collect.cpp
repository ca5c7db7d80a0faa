// specql.window_events: the handler of a source writes its events to specql.window_event, to be counted later.
#include "pg/base/table_writer.hpp"
#include "pg/base/wake.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/capture/frame.hpp"

namespace specql::windows {

namespace {

// The columns of specql.window_event, in the order of its definition.
enum Column { action, term, key, at, id, value, xid, root, depth, traceparent, settings };

struct Items {
    Datum* values;
    bool* nulls;
    int count;
};

Items unpack(FunctionCallInfo fcinfo, int argument, Oid type, int16 length, bool byValue, char alignment) {
    Items column = {nullptr, nullptr, 0};
    if (!PG_ARGISNULL(argument))
        deconstruct_array(PG_GETARG_ARRAYTYPE_P(argument), type, length, byValue, alignment, &column.values,
                          &column.nulls, &column.count);
    return column;
}

void requireSameLength(int count, const Items& other) {
    if (other.values != nullptr && other.count != count)
        ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("arrays of different lengths")));
}

// An index entry may have at most about 2700 bytes, so a long key is replaced by its hash.
constexpr size_t longestKey = 1024;

Datum shortKey(Datum key) {
    auto* whole = DatumGetTextPP(key);
    if (VARSIZE_ANY_EXHDR(whole) <= longestKey) return PointerGetDatum(whole);
    return DirectFunctionCall1(md5_text, PointerGetDatum(whole));
}

}  // namespace

SPECQL_FUNCTION(specql_window_events) {
    capture::Frame* frame = capture::requireFrame("specql.window_events");
    if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3)) PG_RETURN_VOID();
    // The handler may only hand events to the window of its own action.
    if (strcmp(frame->listener()->action, text_to_cstring(PG_GETARG_TEXT_PP(0))) != 0)
        ereport(ERROR, (errcode(sqlstate::notAllowed),
                        errmsg("action %s cannot hand events to another action", frame->listener()->action)));
    Items ids = unpack(fcinfo, 2, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR);
    Items times = unpack(fcinfo, 3, TIMESTAMPTZOID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
    Items keys = unpack(fcinfo, 4, TEXTOID, -1, false, TYPALIGN_INT);
    Items values = unpack(fcinfo, 5, TEXTOID, -1, false, TYPALIGN_INT);
    requireSameLength(ids.count, times);
    requireSameLength(ids.count, keys);
    requireSameLength(ids.count, values);
    if (ids.count == 0) PG_RETURN_VOID();
    const capture::Lineage& lineage = frame->set->lineage;
    const capture::Baggage* baggage = frame->set->baggage;
    Datum trace = baggage != nullptr && baggage->traceparent != nullptr ? CStringGetTextDatum(baggage->traceparent) : 0;
    Datum noKey = CStringGetTextDatum("");
    Datum transaction = FullTransactionIdGetDatum(GetTopFullTransactionId());
    BulkWriter* rows = openWriter("window_event", ids.count);
    for (int i = 0; i < ids.count; ++i) {
        if (ids.nulls[i] || times.nulls[i]) continue;
        if (TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(times.values[i])))
            ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
                            errmsg("an event that is counted cannot happen at infinity")));
        TupleTableSlot* row = nextRow(rows);
        setColumn(row, action, PG_GETARG_DATUM(0));
        setColumn(row, term, PG_GETARG_DATUM(1));
        if (keys.values == nullptr)
            setColumn(row, key, noKey);
        else if (!keys.nulls[i])
            setColumn(row, key, shortKey(keys.values[i]));
        setColumn(row, at, times.values[i]);
        setColumn(row, id, ids.values[i]);
        if (values.values != nullptr && !values.nulls[i]) setColumn(row, value, values.values[i]);
        setColumn(row, xid, transaction);
        setColumn(row, root, lineage.caused ? UUIDPGetDatum(&lineage.root) : ids.values[i]);
        setColumn(row, depth, Int32GetDatum(lineage.depth));
        // Until ALTER EXTENSION specql UPDATE the table may not have these columns.
        if (baggage != nullptr && settings < row->tts_tupleDescriptor->natts) {
            if (trace != 0) setColumn(row, traceparent, trace);
            if (baggage->settings != 0) setColumn(row, settings, baggage->settings);
        }
        writeRow(rows);
    }
    closeWriter(rows);
    wakeWorkerAtCommit();
    PG_RETURN_VOID();
}

}  // namespace specql::windows
