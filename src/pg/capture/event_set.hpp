// Events between their capture and their handler: a tuple store of captured rows, with what caused them.
#pragma once

#include "pg/capture/baggage.hpp"
#include "pg/capture/caller.hpp"
#include "pg/capture/table_listeners.hpp"

namespace specql::capture {

// How an event came about. Plain data.
struct Lineage {
    bool caused;         // by another event; else causedBy and root mean nothing
    pg_uuid_t causedBy;  // the first event of the set whose handler caused it
    pg_uuid_t root;      // the first event of the whole chain
    int depth;           // 1 for an event that nothing caused
};

// Rows of one action, captured by the triggers of one statement. Sets belong to the subtransaction that captured them:
// its abort discards them, its commit passes them to the parent.
struct EventSet {
    EventSet* older;  // in the list of all sets
    EventSet* newer;
    bool pending;  // waits for a trigger of specql.dispatch, or for the end of the transaction
    MemoryContext context;
    Listener* listener;
    int triggerDepth;
    SubTransactionId subtransaction;
    uint64_t frame;  // serial of the frame in which it was captured; 0 if outside of handlers
    Lineage lineage;
    Caller* caller;          // of all its events
    const Baggage* baggage;  // of all its events; nullptr if they have none
    Tuplestorestate* store;
    TupleTableSlot* row;  // the row last read
    int64_t position;     // how many rows have been read since the last rewind
    int64_t count;
    uint8_t* branches;  // a bit for each branch that holds for at least one row, as in captured::branches
    int branchBytes;
    pg_uuid_t* ids;         // one per row; nullptr until assignIds()
    int attempts;           // earlier ones, which failed and count
    const char* lastError;  // message of the last one that failed; nullptr if none has
    int operations;         // bits: 1 << Operation of captured rows
    bool mayRepeat;         // two of its events may be about the same row
    bool replayed;          // logged already when it was handled first, so not again
    bool noDeliveries;      // of a replay whose handlers must queue no deliveries
};

// A new set in the current frame and subtransaction, in a memory context of its own; dropEventSet() frees it. A pending
// one waits for takePending() or takeLeftover().
EventSet* makeEventSet(Listener* listener, bool pending);

// The pending set to which the row trigger that is running appends captured rows. `mayOutliveStatement`: perhaps no
// statement trigger will take the set, so that rows of later statements may be added; then the set is only shared by
// rows with the same caller and baggage.
EventSet* openEventSet(Listener* listener, int triggerDepth, bool mayOutliveStatement);

// The end of the round that begins with event `first`: the events before it are about different rows (an event without
// a subject counts as another row). The handler is run once per round, because one statement sees and updates a row
// only once: with two events about one row, the second must see what the handler has made of the row after the first.
int64_t endOfRound(EventSet* set, int64_t first);

// Appends a captured row (of listener->rowDescriptor). `mask` and `maskBytes` are its branches; the row is copied.
void appendEvent(EventSet* set, TupleTableSlot* row, const uint8_t* mask, int maskBytes);

// Gives every row a new id. To be called once: the ids must stay the same when handling is tried again.
void assignIds(EventSet* set);

// Makes set->row the row with this index, from 0. Cheap when rows are read in order.
void readEvent(EventSet* set, int64_t index);

// The data of the row last read, with whole images; 0 for NULL. In that row, or in the current memory context.
Datum shownData(EventSet* set);
// At least the size of that, found without writing it. The columns up to the data must have been read.
Size mostShownBytes(const EventSet* set);

// Is the bit of this branch (from 1) set?
bool hasBranch(const uint8_t* mask, int bytes, int branch);
// Does this branch (from 1) hold for the row last read?
bool rowHasBranch(EventSet* set, int branch);

// Takes, of the sets that the current statement on this table has captured (at this trigger depth, in the current
// subtransaction and frame), the one whose action is the next to run. nullptr if none waits any more.
EventSet* takePending(Oid relation, int triggerDepth);
// Takes a set that was captured in this frame (0: outside of handlers) and that no statement trigger has taken. The
// table with the oldest set comes first, and of its sets the one whose action is the next to run. nullptr if there is
// none.
EventSet* takeLeftover(uint64_t frame);

bool anyPending();
// Frees a set, pending or not.
void dropEventSet(EventSet* set);

// At the end of the transaction, at the abort of a subtransaction, and at its commit.
void dropAllEventSets();
void dropEventSetsOf(SubTransactionId subtransaction);
void passEventSets(SubTransactionId from, SubTransactionId to);

}  // namespace specql::capture
