// What a paused action would have handled, kept for specql.resume.
#include "pg/handling/waiting.hpp"

#include "pg/base/table_writer.hpp"
#include "pg/base/wake.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/capture/frame.hpp"

namespace specql::handling {

namespace {

// The columns of specql.waiting_event, in the order of its definition.
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
    deliver,
    caller,
    columnCount
};

void set(TupleTableSlot* row, Column column, Datum value) {
    row->tts_values[column] = value;
    row->tts_isnull[column] = false;
}

}  // namespace

void keepWaiting(capture::EventSet* events) {
    const capture::Rule* rule = events->rule;
    Datum keptBy = capture::callerToKeep(events->caller);
    BulkWriter* rows = openWriter("waiting_event", events->count);
    Datum actionName = CStringGetTextDatum(rule->action), typeName = CStringGetTextDatum(rule->eventType);
    Datum entityName = rule->entity != nullptr ? CStringGetTextDatum(rule->entity) : 0;
    FullTransactionId transaction = GetTopFullTransactionId();
    bool leaves = !events->silent && !capture::isSilent(capture::currentFrame());
    for (int64_t i = 0; i < events->count; ++i) {
        capture::readEvent(events, i);
        slot_getsomeattrs(events->row, capture::captured::data + 1);
        const Datum* values = events->row->tts_values;
        const bool* nulls = events->row->tts_isnull;
        TupleTableSlot* row = nextRow(rows);
        set(row, id, UUIDPGetDatum(&events->ids[i]));
        set(row, action, actionName);
        set(row, type, typeName);
        if (rule->entity != nullptr) {
            set(row, entity, entityName);
            set(row, relation, ObjectIdGetDatum(rule->relation));
        }
        if (!nulls[capture::captured::subject]) set(row, subject, values[capture::captured::subject]);
        if (!nulls[capture::captured::data]) set(row, data, values[capture::captured::data]);
        set(row, occurredAt, values[capture::captured::time]);
        set(row, xid, FullTransactionIdGetDatum(transaction));
        if (events->lineage.caused) set(row, causedBy, UUIDPGetDatum(&events->lineage.causedBy));
        set(row, root, UUIDPGetDatum(events->lineage.caused ? &events->lineage.root : &events->ids[i]));
        set(row, depth, Int32GetDatum(events->lineage.depth));
        set(row, deliver, BoolGetDatum(leaves));
        if (keptBy != 0) set(row, caller, keptBy);
        writeRow(rows);
    }
    closeWriter(rows);
    // The action may be resumed by now, by a session that does not see these events yet.
    wakeWorkerAtCommit();
}

}  // namespace specql::handling
