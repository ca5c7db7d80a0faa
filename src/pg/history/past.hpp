// Events that were stored in a table and are given to their handlers later: retries, released events, replays.
#pragma once

#include "pg/capture/event_set.hpp"

namespace specql::history {

// Plain data; what it points to is in the memory context that was current for readPast().
struct PastEvent {
    pg_uuid_t id;
    const char* action;
    const char* type;
    bool ofRow;    // a row event, not a custom one
    Oid relation;  // the table of a row event; InvalidOid if it was dropped
    const char* subject;
    Datum data;  // jsonb; 0 if NULL
    TimestampTz time;
    capture::Lineage lineage;
    Datum caller;             // jsonb, as it was stored; 0 if NULL
    const char* traceparent;  // nullptr if NULL
    Datum settings;           // jsonb; 0 if NULL
    int attempts;             // failed ones
    const char* message;      // of the last failed attempt; nullptr if there was none
    bool noDeliveries;        // its handlers must queue no deliveries
};

// The columns that readPast() reads, as a select list for tables that name them like this.
#define PAST_COLUMNS                                                                                            \
    "id, action, type, entity IS NOT NULL, relation::oid, subject, data, occurred_at, caused_by, root, depth, " \
    "caller, "                                                                                                  \
    "traceparent, settings"
constexpr int pastColumns = 14;

// Reads a row of an SPI result that begins with PAST_COLUMNS. Attempts, message and noDeliveries are left at zero.
PastEvent readPast(HeapTuple tuple, TupleDesc descriptor);

// Runs the handler for events as one set, as the handler's owner. Conditions and values of row events are evaluated
// again, as the action defines them now, and with the settings of the events. The events must have the same action,
// type, table, lineage, caller and baggage. With `replayed` they are not logged. Raises all errors.
void handlePast(const PastEvent* events, int count, bool replayed);

// Runs the handlers for events in their order, in sets without two events about one row, each in a subtransaction. A
// set that fails is split into halves, unless it met a lock. errors[i] is set to nullptr for each event that was
// handled, else to its error, in the current memory context.
void handleEach(const PastEvent* events, int count, bool replayed, ErrorData** errors);

}  // namespace specql::history
