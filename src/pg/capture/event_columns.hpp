// The columns that all tables of events have: which event it is, of which action, and what caused it.
#pragma once

#include "pg/capture/event_set.hpp"

namespace specql::capture {

// Where a table has them, counted from 0.
struct EventColumns {
    int id, type, action, entity;
    int relation;  // -1: the table has no such column
    int subject, data, occurredAt, xid, causedBy, root, depth, caller, traceparent, settings;
};

// What events that are written together have in common. Texts, caller and settings are 0 for NULL.
struct EventOrigin {
    Datum type, action, entity;
    Oid relation;
    FullTransactionId transaction;
    Lineage lineage;
    Datum caller, traceparent, settings;
};

// Of the events of a set, which this transaction writes; in the current memory context.
EventOrigin originOf(const EventSet* set, Datum caller);
// Of events of this type that no action handles.
EventOrigin originOf(const char* type, const Lineage& lineage, Datum caller);

// Sets the columns of one event in a row of nextRow(): those that do not depend on its data, or all of them.
void fillOrigin(TupleTableSlot* row, const EventColumns& columns, const EventOrigin& origin, const pg_uuid_t* id);
// Makes the event the one that was read last from its set.
void fillEvent(TupleTableSlot* row, const EventColumns& columns, const EventOrigin& origin, EventSet* set,
               int64_t index);

}  // namespace specql::capture
