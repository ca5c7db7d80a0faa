// Events on their way from capture to their handler: a tuple store of captured rows, and where they came from.
#pragma once

#include "pg/capture/caller.hpp"
#include "pg/capture/rules.hpp"

namespace specql::capture {

// How an event came about. Plain data.
struct Lineage {
    bool caused;         // by another event
    pg_uuid_t causedBy;  // the first event of the set whose handler caused it
    pg_uuid_t root;
    int depth;  // 1 for an event that nothing caused
};

// Rows of one action, captured by the triggers of one statement. Sets belong to the subtransaction that captured them:
// its abort discards them, its commit passes them to the parent.
struct EventSet {
    EventSet* older;  // in the list of all sets
    EventSet* newer;
    bool pending;  // still waits for its dispatch
    MemoryContext context;
    Rule* rule;
    int triggerDepth;
    SubTransactionId subtransaction;
    uint64_t frame;  // serial of the frame it was captured in; 0: none
    Lineage lineage;
    Caller* caller;  // of all its events
    Tuplestorestate* store;
    TupleTableSlot* row;  // the row last read
    int64_t position;     // how many rows have been read since the last rewind
    int64_t count;
    uint8_t* branches;  // those that hold for any row, as in captured::branches
    int branchBytes;
    pg_uuid_t* ids;         // one per row once assigned
    int attempts;           // that failed before
    const char* lastError;  // of those; nullptr if there were none
    int operations;         // bits: 1 << Operation of captured rows
    bool mayRepeat;         // two of its events may be about the same row
    bool replayed;          // handled before: it is not logged a second time
    bool silent;            // nothing that comes of it may leave the database
};

// A new set; pending ones wait for takePending or takeLeftover.
EventSet* makeEventSet(Rule* rule, bool pending);

// The pending set that the trigger running now appends captured rows to. `mayLinger`: no trigger may follow that has it
// handled at the statement's end, and when the next statement comes the session may be somebody else's.
EventSet* openEventSet(Rule* rule, int triggerDepth, bool mayLinger);

// The index after the last of the events from `first` on that are all about different rows; those without a subject
// count as different. A statement over a set sees and updates a row once, so each such round needs a run of its own,
// after which the next one finds the row as the first has left it.
int64_t endOfRound(EventSet* set, int64_t first);

// Appends a row of the rule's shape whose branches are the `maskBytes` at `mask`.
void appendEvent(EventSet* set, TupleTableSlot* row, const uint8_t* mask, int maskBytes);

// Gives every row an id. Done once; a second try of the same events keeps them.
void assignIds(EventSet* set);

// Makes set->row the row with this index, from 0. Cheap when rows are read in order.
void readEvent(EventSet* set, int64_t index);

bool hasBranch(const uint8_t* mask, int bytes, int branch);
// Does this branch (from 1) hold for the row last read?
bool rowHasBranch(EventSet* set, int branch);

// The set whose action is the next to run among those that wait for a statement on this table to be done, captured at
// this trigger depth in this subtransaction and frame; it waits no longer. nullptr if there is none.
EventSet* takePending(Oid relation, int triggerDepth);
// The next set captured in this frame (0: outside of any) that still waits: of the table with the oldest one, that of
// the action that is the next to run.
EventSet* takeLeftover(uint64_t frame);

bool anyPending();
void dropEventSet(EventSet* set);

// Transaction ends.
void dropAllEventSets();
void dropEventSetsOf(SubTransactionId subtransaction);
void passEventSets(SubTransactionId from, SubTransactionId to);

}  // namespace specql::capture
