// Events of the past, read back from a table and given to their handlers again: retries, what waited for a pause to
// end, replays.
#pragma once

#include "pg/capture/event_set.hpp"

namespace specql::history {

// One of them. Plain data, in the memory context of whoever read it.
struct PastEvent {
    pg_uuid_t id;
    const char* action;
    const char* type;
    bool ofRow;    // a row changed; else a custom event
    Oid relation;  // whose; InvalidOid if it is gone
    const char* subject;
    Datum data;  // 0: NULL
    TimestampTz time;
    capture::Lineage lineage;
    Datum caller;         // as it was kept; 0: NULL
    int attempts;         // that failed
    const char* message;  // of the last of those; nullptr if there were none
    bool silent;          // nothing that comes of it may leave the database
};

// The columns that readPast expects, from a table with these and a regclass or NULL named relation.
#define PAST_COLUMNS \
    "id, action, type, entity IS NOT NULL, relation::oid, subject, data, occurred_at, caused_by, root, depth, caller"
constexpr int pastColumns = 12;

// A row of an SPI result that begins with PAST_COLUMNS; the rest of the struct is zero.
PastEvent readPast(HeapTuple tuple, TupleDesc descriptor);

// Gives events to their handler as one set, with today's rules; every error is the caller's. They must be of one action
// and table and of one origin. With `replayed` they are not logged.
void handlePast(const PastEvent* events, int count, bool replayed);

// Gives events to their handlers in order, in sets that hold no row twice, each in a subtransaction; of a set that
// fails the halves are tried. Afterwards errors[i] is nullptr for each that was handled; others lie in the current
// memory context.
void handleEach(const PastEvent* events, int count, bool replayed, ErrorData** errors);

}  // namespace specql::history
