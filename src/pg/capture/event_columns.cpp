#include "pg/capture/event_columns.hpp"

#include "pg/base/table_writer.hpp"

namespace specql::capture {

namespace {

Datum textOrNull(const char* value) {
    return value != nullptr ? CStringGetTextDatum(value) : 0;
}

EventOrigin originOf(const char* type, const char* action, const char* entity, Oid relation, const Lineage& lineage,
                     Datum caller, const Baggage* baggage) {
    return {textOrNull(type),
            textOrNull(action),
            textOrNull(entity),
            relation,
            GetTopFullTransactionId(),
            lineage,
            caller,
            baggage != nullptr ? textOrNull(baggage->traceparent) : 0,
            baggage != nullptr ? baggage->settings : 0};
}

// Until ALTER EXTENSION specql UPDATE a table may not have the columns that came last.
void setIfAny(TupleTableSlot* row, int column, Datum value) {
    if (value != 0 && column < row->tts_tupleDescriptor->natts) setColumn(row, column, value);
}

}  // namespace

EventOrigin originOf(const EventSet* set, Datum caller) {
    const Listener* listener = set->listener;
    return originOf(listener->eventType, listener->action, listener->entity, listener->relation, set->lineage, caller,
                    set->baggage);
}

EventOrigin originOf(const char* type, const Lineage& lineage, Datum caller) {
    return originOf(type, nullptr, nullptr, InvalidOid, lineage, caller, currentBaggage());
}

void fillOrigin(TupleTableSlot* row, const EventColumns& columns, const EventOrigin& origin, const pg_uuid_t* id) {
    const Lineage& lineage = origin.lineage;
    setColumn(row, columns.id, UUIDPGetDatum(id));
    setColumn(row, columns.type, origin.type);
    if (origin.action != 0) setColumn(row, columns.action, origin.action);
    if (origin.entity != 0) setColumn(row, columns.entity, origin.entity);
    if (columns.relation >= 0 && OidIsValid(origin.relation))
        setColumn(row, columns.relation, ObjectIdGetDatum(origin.relation));
    setColumn(row, columns.xid, FullTransactionIdGetDatum(origin.transaction));
    if (lineage.caused) setColumn(row, columns.causedBy, UUIDPGetDatum(&lineage.causedBy));
    setColumn(row, columns.root, UUIDPGetDatum(lineage.caused ? &lineage.root : id));
    setColumn(row, columns.depth, Int32GetDatum(lineage.depth));
    setIfAny(row, columns.caller, origin.caller);
    setIfAny(row, columns.traceparent, origin.traceparent);
    setIfAny(row, columns.settings, origin.settings);
}

void fillEvent(TupleTableSlot* row, const EventColumns& columns, const EventOrigin& origin, EventSet* set,
               int64_t index) {
    fillOrigin(row, columns, origin, &set->ids[index]);
    readEvent(set, index);
    slot_getsomeattrs(set->row, captured::data + 1);
    const Datum* values = set->row->tts_values;
    const bool* nulls = set->row->tts_isnull;
    if (!nulls[captured::subject]) setColumn(row, columns.subject, values[captured::subject]);
    if (!nulls[captured::data]) setColumn(row, columns.data, values[captured::data]);
    setColumn(row, columns.occurredAt, values[captured::time]);
}

}  // namespace specql::capture
