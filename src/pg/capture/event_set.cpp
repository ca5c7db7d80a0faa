#include "pg/capture/event_set.hpp"

#include "pg/base/uuid.hpp"
#include "pg/capture/frame.hpp"
#include "pg/capture/moved.hpp"
#include "pg/capture/registry.hpp"
#include "pg/capture/whole_images.hpp"

extern "C" {
#include "access/detoast.h"
}

namespace specql::capture {

namespace {

EventSet* oldest = nullptr;
EventSet* newest = nullptr;
int pendingCount = 0;

void link(EventSet* set) {
    set->older = newest;
    set->newer = nullptr;
    (newest != nullptr ? newest->newer : oldest) = set;
    newest = set;
}

void unlink(EventSet* set) {
    (set->older != nullptr ? set->older->newer : oldest) = set->newer;
    (set->newer != nullptr ? set->newer->older : newest) = set->older;
}

// No longer to be found by takePending() and takeLeftover().
void stopWaiting(EventSet* set) {
    if (set->pending) {
        set->pending = false;
        --pendingCount;
    }
    if (set->listener->openSet == set) set->listener->openSet = nullptr;
}

// Does the set wait for the statement whose triggers are firing now?
bool waitsHere(const EventSet* set, int triggerDepth) {
    return set->pending && set->triggerDepth == triggerDepth && set->frame == currentFrameSerial() &&
           set->subtransaction == GetCurrentSubTransactionId();
}

void addBranches(EventSet* set, const uint8_t* mask, int bytes) {
    if (bytes > set->branchBytes) {
        auto* larger = static_cast<uint8_t*>(MemoryContextAllocZero(set->context, bytes));
        if (set->branchBytes > 0) memcpy(larger, set->branches, set->branchBytes);
        set->branches = larger;
        set->branchBytes = bytes;
    }
    for (int i = 0; i < bytes; ++i)
        set->branches[i] |= mask[i];
}

}  // namespace

EventSet* makeEventSet(Listener* listener, bool pending) {
    // In the transaction's memory context and resource owner, because those of a subtransaction end when it commits,
    // and the set may live longer.
    MemoryContext context = AllocSetContextCreate(TopTransactionContext, "specql event set", ALLOCSET_DEFAULT_SIZES);
    MemoryContext before = MemoryContextSwitchTo(context);
    ResourceOwner ownerBefore = CurrentResourceOwner;
    auto* set = static_cast<EventSet*>(palloc0(sizeof(EventSet)));
    set->context = context;
    set->listener = listener;
    set->subtransaction = GetCurrentSubTransactionId();
    set->frame = currentFrameSerial();
    set->lineage = currentLineage();
    set->caller = currentCaller();
    set->baggage = currentBaggage();
    CurrentResourceOwner = TopTransactionResourceOwner;
    set->store = tuplestore_begin_heap(true, false, work_mem);
    CurrentResourceOwner = ownerBefore;
    set->row = MakeSingleTupleTableSlot(listener->rowDescriptor, &TTSOpsMinimalTuple);
    set->pending = pending;
    set->mayRepeat = !pending;  // for pending sets specql.capture finds out
    pendingCount += pending ? 1 : 0;
    link(set);
    MemoryContextSwitchTo(before);
    return set;
}

EventSet* openEventSet(Listener* listener, int triggerDepth, bool mayOutliveStatement) {
    const Caller* caller = mayOutliveStatement ? currentCaller() : nullptr;
    const Baggage* baggage = mayOutliveStatement ? currentBaggage() : nullptr;
    auto isOpen = [triggerDepth, caller, baggage](const EventSet* set) {
        return waitsHere(set, triggerDepth) &&
               (caller == nullptr || (set->caller == caller && set->baggage == baggage));
    };
    if (listener->openSet != nullptr && isOpen(listener->openSet)) return listener->openSet;
    // Listeners are compared, not their triggers: a set of an outdated listener may have other columns.
    for (EventSet* set = newest; set != nullptr; set = set->older)
        if (set->listener == listener && isOpen(set)) {
            listener->openSet = set;
            return set;
        }
    EventSet* set = makeEventSet(listener, true);
    set->triggerDepth = triggerDepth;
    listener->openSet = set;
    return set;
}

void appendEvent(EventSet* set, TupleTableSlot* row, const uint8_t* mask, int maskBytes) {
    alignas(int32) char value[VARHDRSZ + 256];
    bytea* branches =
        maskBytes <= 256 ? reinterpret_cast<bytea*>(value) : static_cast<bytea*>(palloc(VARHDRSZ + maskBytes));
    SET_VARSIZE(branches, VARHDRSZ + maskBytes);
    memcpy(VARDATA(branches), mask, maskBytes);
    row->tts_values[captured::branches] = PointerGetDatum(branches);
    row->tts_isnull[captured::branches] = false;
    tuplestore_puttupleslot(set->store, row);
    ++set->count;
    addBranches(set, mask, maskBytes);
}

void assignIds(EventSet* set) {
    set->ids = static_cast<pg_uuid_t*>(MemoryContextAllocHuge(set->context, sizeof(pg_uuid_t) * set->count));
    for (int64_t i = 0; i < set->count; ++i)
        newUuid(&set->ids[i]);
}

int64_t endOfRound(EventSet* set, int64_t first) {
    if (!set->mayRepeat || set->count - first < 2 || !OidIsValid(set->listener->trigger)) return set->count;
    HASHCTL control;
    memset(&control, 0, sizeof control);
    control.keysize = control.entrysize = sizeof(uint64);
    control.hcxt = CurrentMemoryContext;
    // A hash of each subject is enough: if two rows share one, the round ends earlier than it must.
    HTAB* seen = hash_create("specql subjects", 1024, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
    int64_t end = first;
    for (; end < set->count; ++end) {
        readEvent(set, end);
        bool isNull, found = false;
        Datum subject = slot_getattr(set->row, captured::subject + 1, &isNull);
        if (isNull) continue;
        auto* text = reinterpret_cast<varlena*>(DatumGetPointer(subject));
        uint64 hash = hash_bytes_extended(reinterpret_cast<unsigned char*>(VARDATA_ANY(text)),
                                          static_cast<int>(VARSIZE_ANY_EXHDR(text)), 0);
        hash_search(seen, &hash, HASH_ENTER, &found);
        if (found) break;
    }
    hash_destroy(seen);
    return end;
}

void readEvent(EventSet* set, int64_t index) {
    Assert(index >= 0 && index < set->count);
    if (index == set->position - 1) return;
    if (index < set->position) {
        tuplestore_rescan(set->store);
        set->position = 0;
    }
    if (index > set->position) tuplestore_skiptuples(set->store, index - set->position, true);
    // A row that the store reads from disk is allocated for the slot, which outlives the caller's memory context.
    MemoryContext before = MemoryContextSwitchTo(set->context);
    bool found = tuplestore_gettupleslot(set->store, true, false, set->row);
    MemoryContextSwitchTo(before);
    if (!found)
        elog(ERROR, "specql: event %lld of %lld is missing", static_cast<long long>(index),
             static_cast<long long>(set->count));
    set->position = index + 1;
}

Datum shownData(EventSet* set) {
    bool isNull;
    Datum data = slot_getattr(set->row, captured::data + 1, &isNull);
    if (isNull) return 0;
    // What a custom event was raised with is its own affair.
    return OidIsValid(set->listener->trigger) ? wholeImages(data) : data;
}

Size mostShownBytes(const EventSet* set) {
    if (set->row->tts_isnull[captured::data]) return 0;
    // An old row that is whole has the keys and values of the new one and of what changed, at most.
    Size kept = toast_raw_datum_size(set->row->tts_values[captured::data]) - VARHDRSZ;
    return OidIsValid(set->listener->trigger) ? 2 * kept : kept;
}

bool hasBranch(const uint8_t* mask, int bytes, int branch) {
    int bit = branch - 1;
    return bit >= 0 && bit / 8 < bytes && (mask[bit / 8] & (1 << (bit % 8))) != 0;
}

bool rowHasBranch(EventSet* set, int branch) {
    bool isNull;
    Datum value = slot_getattr(set->row, captured::branches + 1, &isNull);
    const auto* mask = reinterpret_cast<const varlena*>(DatumGetPointer(value));
    return hasBranch(reinterpret_cast<const uint8_t*>(VARDATA_ANY(mask)), static_cast<int>(VARSIZE_ANY_EXHDR(mask)),
                     branch);
}

EventSet* takePending(Oid relation, int triggerDepth) {
    settleMoved(triggerDepth);
    EventSet* first = nullptr;
    for (EventSet* set = oldest; set != nullptr; set = set->newer)
        if (set->listener->relation == relation && waitsHere(set, triggerDepth) &&
            (first == nullptr || runsBefore(set->listener, first->listener)))
            first = set;
    if (first != nullptr) stopWaiting(first);
    return first;
}

EventSet* takeLeftover(uint64_t frame) {
    settleMovedOf(frame);
    EventSet* first = nullptr;
    for (EventSet* set = oldest; set != nullptr; set = set->newer)
        if (set->pending && set->frame == frame &&
            (first == nullptr ||
             (set->listener->relation == first->listener->relation && runsBefore(set->listener, first->listener))))
            first = set;
    if (first != nullptr) stopWaiting(first);
    return first;
}

bool anyPending() {
    return pendingCount > 0 || anyMoved();
}

void dropEventSet(EventSet* set) {
    stopWaiting(set);
    unlink(set);
    tuplestore_end(set->store);
    MemoryContextDelete(set->context);
}

void dropAllEventSets() {
    while (newest != nullptr)
        dropEventSet(newest);
    dropAllMoved();
}

void dropEventSetsOf(SubTransactionId subtransaction) {
    dropMovedOf(subtransaction);
    EventSet* next;
    for (EventSet* set = oldest; set != nullptr; set = next) {
        next = set->newer;
        if (set->subtransaction == subtransaction) dropEventSet(set);
    }
}

void passEventSets(SubTransactionId from, SubTransactionId to) {
    passMoved(from, to);
    for (EventSet* set = oldest; set != nullptr; set = set->newer)
        if (set->subtransaction == from) set->subtransaction = to;
}

}  // namespace specql::capture
