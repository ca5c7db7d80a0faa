#include "pg/handling/later.hpp"

#include "pg/base/table_writer.hpp"
#include "pg/base/wake.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/capture/event_columns.hpp"
#include "pg/capture/frame.hpp"
#include "pg/capture/registry.hpp"
#include "pg/handling/log.hpp"

namespace specql::handling {

namespace {

// The columns of specql.later_event, in the order of its definition.
enum Column { owner, dueAt, id, type, data, xid, causedBy, root, depth, deliver, caller, traceparent, settings };
constexpr int none = -1;  // of a table without this column
constexpr capture::EventColumns eventColumns = {id,  type,     none, none,  none,   none,        data,    dueAt,
                                                xid, causedBy, root, depth, caller, traceparent, settings};

// A value of a row, or 0 for NULL.
Datum valueAt(HeapTupleHeader row, Column column) {
    bool isNull;
    Datum value = GetAttributeByNum(row, static_cast<AttrNumber>(column + 1), &isNull);
    return isNull ? 0 : value;
}

}  // namespace

void keepForLater(const char* eventType, const pg_uuid_t* eventId, Datum payload, TimestampTz due) {
    // However often an event raises itself again, a day later each time, that is no cascade.
    capture::Lineage lineage = capture::currentLineage();
    lineage.depth = 1;
    capture::EventOrigin origin =
        capture::originOf(eventType, lineage, capture::callerToStore(capture::currentCaller()));
    BulkWriter* rows = openWriter("later_event", 1);
    TupleTableSlot* row = nextRow(rows);
    capture::fillOrigin(row, eventColumns, origin, eventId);
    setColumn(row, owner, ObjectIdGetDatum(GetUserId()));
    setColumn(row, dueAt, TimestampTzGetDatum(due));
    setColumn(row, data, payload);
    setColumn(row, deliver, BoolGetDatum(!capture::deliversNothing(capture::currentFrame())));
    writeRow(rows);
    closeWriter(rows);
    wakeWorkerAtCommit();
}

SPECQL_FUNCTION(specql_heard_by) {
    char* event = text_to_cstring(PG_GETARG_TEXT_PP(0));
    List* listeners = capture::eventListeners(event, nullptr);
    auto* names = static_cast<Datum*>(palloc(sizeof(Datum) * (list_length(listeners) + 1)));
    int count = 0;
    ListCell* cell;
    foreach (cell, listeners) {
        // An action may count one event under several names; the event waits for it once.
        const char* action = static_cast<const capture::Listener*>(lfirst(cell))->action;
        bool isKnown = false;
        for (int i = 0; i < count && !isKnown; ++i)
            isKnown = strcmp(TextDatumGetCString(names[i]), action) == 0;
        if (!isKnown) names[count++] = CStringGetTextDatum(action);
    }
    PG_RETURN_ARRAYTYPE_P(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
}

SPECQL_FUNCTION(specql_log_unheard) {
    HeapTupleHeader row = PG_GETARG_HEAPTUPLEHEADER(0);
    capture::Lineage lineage;
    memset(&lineage, 0, sizeof lineage);
    lineage.depth = DatumGetInt32(valueAt(row, depth));
    if (Datum cause = valueAt(row, causedBy)) {
        lineage.caused = true;
        lineage.causedBy = *DatumGetUUIDP(cause);
        lineage.root = *DatumGetUUIDP(valueAt(row, root));
    }
    char* eventType = TextDatumGetCString(valueAt(row, type));
    capture::EventOrigin origin = capture::originOf(eventType, lineage, valueAt(row, caller));
    origin.traceparent = valueAt(row, traceparent);
    origin.settings = valueAt(row, settings);
    logUnheard(origin, DatumGetUUIDP(valueAt(row, id)), valueAt(row, data), DatumGetTimestampTz(valueAt(row, dueAt)));
    PG_RETURN_VOID();
}

}  // namespace specql::handling
