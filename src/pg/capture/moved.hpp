// Rows on their way from one partition to another: for the triggers of the partitions a deletion and an insertion, for
// whoever listens to the partitioned table one update.
#pragma once

#include "pg/capture/table_listeners.hpp"

namespace specql::capture {

// The old version of a row that has left its partition, until the trigger of the insertion brings the new one, which
// fires next. It need not come: another trigger may have suppressed it, or the row went to a foreign table, or out of a
// partition that is partitioned itself.
struct MovedRow {
    MovedRow* below;  // of a stack: triggers that fire in between may move other rows
    TableListeners* group;
    int triggerDepth;
    SubTransactionId subtransaction;
    uint64_t frame;
    TupleTableSlot* row;
    bool writtenBefore;
    MemoryContext context;
};

// Has the row version that was deleted gone to another partition?
bool hasMoved(const TriggerData* trigger);
// Keeps a copy of the row, which has the columns of the group's table.
void keepMoved(TableListeners* group, int triggerDepth, TupleTableSlot* row, bool writtenBefore);
// Takes the row that the current statement has moved away in this table last; nullptr if there is none.
MovedRow* takeMoved(Oid relation, int triggerDepth);
void dropMoved(MovedRow* moved);

// Those that will not come any more become deletions: of statements at this trigger depth or below, or of a frame. To
// be called before anything asks for the sets of events.
void settleMoved(int triggerDepth);
void settleMovedOf(uint64_t frame);
// Captures a deletion; capture.cpp has it.
void captureDeletion(MovedRow* moved);

bool anyMoved();
// At the end of the transaction, at the abort of a subtransaction, and at its commit.
void dropAllMoved();
void dropMovedOf(SubTransactionId subtransaction);
void passMoved(SubTransactionId from, SubTransactionId to);

}  // namespace specql::capture
