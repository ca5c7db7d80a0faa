// What a delivery that refers to the log needs of its event there: specql.logged_data, logged_subject,
// logged_traceparent and logged_bytes.
// They look in one partition, by its index: statements on the partitioned table would open all of them for each claim.
#include "pg/base/log_ring.hpp"
#include "pg/base/tables.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/capture/whole_images.hpp"

extern "C" {
#include "access/detoast.h"
#include "access/genam.h"
#include "catalog/pg_collation.h"
#include "utils/fmgroids.h"
}

namespace specql::outbox {

namespace {

// Columns of specql.event_log, counted from 1.
enum LogColumn {
    columnId = 2,
    columnAction = 4,
    columnEntity = 5,
    columnSubject = 6,
    columnData = 7,
    columnTraceparent = 20
};

// The event of one action in the log, until closeEvent(); tuple is nullptr if there is none.
struct LoggedEvent {
    Relation table;
    SysScanDesc scan;
    HeapTuple tuple;
};

bool isOf(const LoggedEvent& event, HeapTuple tuple, const text* action) {
    bool isNull;
    Datum value = heap_getattr(tuple, columnAction, RelationGetDescr(event.table), &isNull);
    if (isNull) return false;
    return DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID, value, PointerGetDatum(action)));
}

// The arguments of the SQL functions: partition, event and action.
LoggedEvent openEvent(FunctionCallInfo fcinfo) {
    int slot = PG_GETARG_INT16(0);
    const text* action = PG_GETARG_TEXT_PP(2);
    if (slot < 0 || slot >= logPartitionCount) elog(ERROR, "specql: there is no partition %d of the log", slot);
    LoggedEvent event = {table_open(tableOid(logPartition(slot)), AccessShareLock), nullptr, nullptr};
    ScanKeyData key;
    ScanKeyInit(&key, columnId, BTEqualStrategyNumber, F_UUID_EQ, PG_GETARG_DATUM(1));
    event.scan = systable_beginscan(event.table, tableOid(logIdIndex(slot)), true, GetActiveSnapshot(), 1, &key);
    while (HeapTuple tuple = systable_getnext(event.scan))
        if (isOf(event, tuple, action)) {
            event.tuple = tuple;
            break;
        }
    return event;
}

// The lock stays until the end of the transaction: a value may be read later.
void closeEvent(const LoggedEvent& event) {
    systable_endscan(event.scan);
    table_close(event.table, NoLock);
}

Datum columnOf(const LoggedEvent& event, LogColumn column, bool* isNull) {
    return heap_getattr(event.tuple, column, RelationGetDescr(event.table), isNull);
}

}  // namespace

SPECQL_FUNCTION(specql_logged_data) {
    LoggedEvent event = openEvent(fcinfo);
    if (event.tuple == nullptr) {
        closeEvent(event);
        PG_RETURN_NULL();
    }
    bool noData, noEntity;
    Datum data = columnOf(event, columnData, &noData);
    (void)columnOf(event, columnEntity, &noEntity);
    if (noData)
        data = DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"));
    else
        data = PointerGetDatum(PG_DETOAST_DATUM_COPY(data));
    closeEvent(event);
    return noData || noEntity ? data : capture::wholeImages(data);
}

namespace {

Datum textColumnOf(FunctionCallInfo fcinfo, LogColumn column) {
    LoggedEvent event = openEvent(fcinfo);
    bool isNull = true;
    Datum value = event.tuple != nullptr ? columnOf(event, column, &isNull) : 0;
    if (!isNull) value = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
    closeEvent(event);
    if (isNull) PG_RETURN_NULL();
    return value;
}

}  // namespace

SPECQL_FUNCTION(specql_logged_subject) {
    return textColumnOf(fcinfo, columnSubject);
}

SPECQL_FUNCTION(specql_logged_traceparent) {
    return textColumnOf(fcinfo, columnTraceparent);
}

// At least the size of the data with whole images, without reading them.
SPECQL_FUNCTION(specql_logged_bytes) {
    LoggedEvent event = openEvent(fcinfo);
    bool found = event.tuple != nullptr, isNull = true;
    Datum data = found ? columnOf(event, columnData, &isNull) : 0;
    int64 bytes = isNull ? 0 : 2 * static_cast<int64>(toast_raw_datum_size(data) - VARHDRSZ);
    closeEvent(event);
    if (!found) PG_RETURN_NULL();
    PG_RETURN_INT64(bytes);
}

}  // namespace specql::outbox
