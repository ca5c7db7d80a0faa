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

}  // namespace

void storeWaiting(capture::EventSet* events, int64_t first, int64_t count) {
    const capture::Listener* listener = events->listener;
    Datum callerDatum = capture::callerToStore(events->caller);
    BulkWriter* rows = openWriter("waiting_event", count);
    Datum actionName = CStringGetTextDatum(listener->action), typeName = CStringGetTextDatum(listener->eventType);
    Datum entityName = listener->entity != nullptr ? CStringGetTextDatum(listener->entity) : 0;
    FullTransactionId transaction = GetTopFullTransactionId();
    bool delivers = !events->noDeliveries && !capture::deliversNothing(capture::currentFrame());
    for (int64_t i = first; i < first + count; ++i) {
        capture::readEvent(events, i);
        slot_getsomeattrs(events->row, capture::captured::data + 1);
        const Datum* values = events->row->tts_values;
        const bool* nulls = events->row->tts_isnull;
        TupleTableSlot* row = nextRow(rows);
        setColumn(row, id, UUIDPGetDatum(&events->ids[i]));
        setColumn(row, action, actionName);
        setColumn(row, type, typeName);
        if (listener->entity != nullptr) {
            setColumn(row, entity, entityName);
            setColumn(row, relation, ObjectIdGetDatum(listener->relation));
        }
        if (!nulls[capture::captured::subject]) setColumn(row, subject, values[capture::captured::subject]);
        if (!nulls[capture::captured::data]) setColumn(row, data, values[capture::captured::data]);
        setColumn(row, occurredAt, values[capture::captured::time]);
        setColumn(row, xid, FullTransactionIdGetDatum(transaction));
        if (events->lineage.caused) setColumn(row, causedBy, UUIDPGetDatum(&events->lineage.causedBy));
        setColumn(row, root, UUIDPGetDatum(events->lineage.caused ? &events->lineage.root : &events->ids[i]));
        setColumn(row, depth, Int32GetDatum(events->lineage.depth));
        setColumn(row, deliver, BoolGetDatum(delivers));
        if (callerDatum != 0) setColumn(row, caller, callerDatum);
        writeRow(rows);
    }
    closeWriter(rows);
    // A session that resumes the action now does not see these events yet, so a worker must look after the commit.
    wakeWorkerAtCommit();
}

namespace {

struct Untried {
    const char* action;
    SubTransactionId subtransaction;
};
List* untried = NIL;  // in TopTransactionContext

}  // namespace

void leaveUntried(capture::EventSet* set, int64_t first, int64_t count) {
    storeWaiting(set, first, count);
    MemoryContext before = MemoryContextSwitchTo(TopTransactionContext);
    auto* left = static_cast<Untried*>(palloc(sizeof(Untried)));
    *left = {pstrdup(set->listener->action), GetCurrentSubTransactionId()};
    untried = lappend(untried, left);
    MemoryContextSwitchTo(before);
}

bool isBehind(const char* action) {
    ListCell* cell;
    foreach (cell, untried)
        if (strcmp(static_cast<const Untried*>(lfirst(cell))->action, action) == 0) return true;
    return false;
}

void forgetUntriedOf(SubTransactionId subtransaction) {
    if (subtransaction == InvalidSubTransactionId) untried = NIL;
    ListCell* cell;
    foreach (cell, untried)
        if (static_cast<const Untried*>(lfirst(cell))->subtransaction == subtransaction)
            untried = foreach_delete_current(untried, cell);
}

void passUntried(SubTransactionId subtransaction, SubTransactionId parent) {
    ListCell* cell;
    foreach (cell, untried) {
        auto* left = static_cast<Untried*>(lfirst(cell));
        if (left->subtransaction == subtransaction) left->subtransaction = parent;
    }
}

}  // namespace specql::handling
