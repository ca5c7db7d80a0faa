#include "pg/base/table_writer.hpp"

#include "pg/base/tables.hpp"

namespace specql {

namespace {

// Rows are inserted in batches, as by COPY: enough of them to fill pages, and few enough to stay in the processor's
// cache.
constexpr int maxRows = 200;
constexpr size_t maxBytes = 64 * 1024;

}  // namespace

struct BulkWriter {
    MemoryContext context;
    Relation relation;
    EState* state;
    ResultRelInfo* target;
    BulkInsertState bulk;  // nullptr for a few rows
    TupleTableSlot* slots[maxRows];
    int slotCount;
    int used;
    size_t bytes;
    MemoryContext scratch;
};

BulkWriter* openWriter(const char* table, int64_t expected) {
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "specql writer", ALLOCSET_DEFAULT_SIZES);
    MemoryContext before = MemoryContextSwitchTo(context);
    auto* writer = static_cast<BulkWriter*>(palloc0(sizeof(BulkWriter)));
    writer->context = context;
    writer->relation = table_open(tableOid(table), RowExclusiveLock);
    writer->state = CreateExecutorState();
    writer->target = makeNode(ResultRelInfo);
    InitResultRelInfo(writer->target, writer->relation, 1, nullptr, 0);
    ExecOpenIndices(writer->target, false);
    if (expected > 50) {
        // A BulkInsertState keeps the current page pinned. Its ring of few buffers is not wanted, because this backend
        // would have to write the pages to disk by itself.
        writer->bulk = GetBulkInsertState();
        FreeAccessStrategy(writer->bulk->strategy);
        writer->bulk->strategy = nullptr;
    }
    writer->scratch = AllocSetContextCreate(context, "specql writer rows", ALLOCSET_DEFAULT_SIZES);
    MemoryContextSwitchTo(before);
    return writer;
}

TupleTableSlot* nextRow(BulkWriter* writer) {
    if (writer->used == writer->slotCount) {
        MemoryContext before = MemoryContextSwitchTo(writer->context);
        writer->slots[writer->slotCount++] = table_slot_create(writer->relation, nullptr);
        MemoryContextSwitchTo(before);
    }
    TupleTableSlot* slot = writer->slots[writer->used];
    ExecClearTuple(slot);
    memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts);
    return slot;
}

static void flush(BulkWriter* writer) {
    if (writer->used == 0) return;
    MemoryContext before = MemoryContextSwitchTo(writer->scratch);
    CommandId command = GetCurrentCommandId(true);
    if (writer->used == 1)
        table_tuple_insert(writer->relation, writer->slots[0], command, 0, writer->bulk);
    else
        table_multi_insert(writer->relation, writer->slots, writer->used, command, 0, writer->bulk);
    if (writer->target->ri_NumIndices > 0) {
        for (int i = 0; i < writer->used; ++i) {
            compat::insertIndexTuples(writer->target, writer->slots[i], writer->state);
            ResetPerTupleExprContext(writer->state);
        }
    }
    MemoryContextSwitchTo(before);
    MemoryContextReset(writer->scratch);
    writer->used = 0;
    writer->bytes = 0;
    CHECK_FOR_INTERRUPTS();
}

void writeRow(BulkWriter* writer) {
    TupleTableSlot* slot = writer->slots[writer->used++];
    ExecStoreVirtualTuple(slot);
    ExecMaterializeSlot(slot);
    bool owned;
    writer->bytes += ExecFetchSlotHeapTuple(slot, false, &owned)->t_len;
    if (writer->used == maxRows || writer->bytes > maxBytes) flush(writer);
}

void closeWriter(BulkWriter* writer) {
    flush(writer);
    for (int i = 0; i < writer->slotCount; ++i)
        ExecDropSingleTupleTableSlot(writer->slots[i]);
    if (writer->bulk != nullptr) {
        table_finish_bulk_insert(writer->relation, 0);
        FreeBulkInsertState(writer->bulk);
    }
    ExecCloseIndices(writer->target);
    table_close(writer->relation, NoLock);
    FreeExecutorState(writer->state);
    MemoryContextDelete(writer->context);
    CommandCounterIncrement();
}

}  // namespace specql
