#include "pg/handling/waiting.hpp"

#include "pg/base/table_writer.hpp"
#include "pg/base/wake.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/capture/event_columns.hpp"
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
    traceparent,
    settings
};
constexpr capture::EventColumns eventColumns = {id,      type,  action,     entity,      relation,
                                                subject, data,  occurredAt, xid,         causedBy,
                                                root,    depth, caller,     traceparent, settings};

}  // namespace

void storeWaiting(capture::EventSet* events, int64_t first, int64_t count) {
    BulkWriter* rows = openWriter("waiting_event", count);
    capture::EventOrigin origin = capture::originOf(events, capture::callerToStore(events->caller));
    bool delivers = !events->noDeliveries && !capture::deliversNothing(capture::currentFrame());
    for (int64_t i = first; i < first + count; ++i) {
        TupleTableSlot* row = nextRow(rows);
        capture::fillEvent(row, eventColumns, origin, events, i);
        setColumn(row, deliver, BoolGetDatum(delivers));
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
