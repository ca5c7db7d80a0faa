#include "pg/capture/moved.hpp"

#include "pg/capture/frame.hpp"

namespace specql::capture {

namespace {

MovedRow* newest = nullptr;

// Unlinks and gives the newest row for which `fits` holds; nullptr if there is none.
template <typename Fits>
MovedRow* take(Fits fits) {
    for (MovedRow** link = &newest; *link != nullptr; link = &(*link)->below)
        if (fits(*link)) {
            MovedRow* found = *link;
            *link = found->below;
            return found;
        }
    return nullptr;
}

}  // namespace

bool hasMoved(const TriggerData* trigger) {
    return trigger->tg_relation->rd_rel->relam == HEAP_TABLE_AM_OID &&
           HeapTupleHeaderIndicatesMovedPartitions(trigger->tg_trigtuple->t_data);
}

void keepMoved(TableListeners* group, int triggerDepth, TupleTableSlot* row, bool writtenBefore) {
    MemoryContext context = AllocSetContextCreate(TopTransactionContext, "specql moved row", ALLOCSET_SMALL_SIZES);
    MemoryContext before = MemoryContextSwitchTo(context);
    auto* moved = static_cast<MovedRow*>(palloc0(sizeof(MovedRow)));
    moved->group = group;
    moved->triggerDepth = triggerDepth;
    moved->subtransaction = GetCurrentSubTransactionId();
    moved->frame = currentFrameSerial();
    moved->row = MakeSingleTupleTableSlot(CreateTupleDescCopy(row->tts_tupleDescriptor), &TTSOpsHeapTuple);
    ExecStoreHeapTuple(ExecCopySlotHeapTuple(row), moved->row, true);
    moved->writtenBefore = writtenBefore;
    moved->context = context;
    moved->below = newest;
    newest = moved;
    MemoryContextSwitchTo(before);
}

MovedRow* takeMoved(Oid relation, int triggerDepth) {
    return take([relation, triggerDepth](const MovedRow* moved) {
        return moved->group->relation == relation && moved->triggerDepth == triggerDepth &&
               moved->frame == currentFrameSerial() && moved->subtransaction == GetCurrentSubTransactionId();
    });
}

void dropMoved(MovedRow* moved) {
    MemoryContextDelete(moved->context);
}

void settleMoved(int triggerDepth) {
    while (MovedRow* moved = take([triggerDepth](const MovedRow* each) { return each->triggerDepth >= triggerDepth; }))
        captureDeletion(moved);
}

void settleMovedOf(uint64_t frame) {
    while (MovedRow* moved = take([frame](const MovedRow* each) { return each->frame == frame; }))
        captureDeletion(moved);
}

bool anyMoved() {
    return newest != nullptr;
}

void dropAllMoved() {
    newest = nullptr;  // the memory is the transaction's
}

void dropMovedOf(SubTransactionId subtransaction) {
    while (MovedRow* moved =
               take([subtransaction](const MovedRow* each) { return each->subtransaction == subtransaction; }))
        dropMoved(moved);
}

void passMoved(SubTransactionId from, SubTransactionId to) {
    for (MovedRow* moved = newest; moved != nullptr; moved = moved->below)
        if (moved->subtransaction == from) moved->subtransaction = to;
}

}  // namespace specql::capture
