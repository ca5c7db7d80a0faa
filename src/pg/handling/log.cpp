#include "pg/handling/log.hpp"

#include "pg/base/event_settings.hpp"
#include "pg/base/log_ring.hpp"
#include "pg/base/table_writer.hpp"
#include "pg/capture/registry.hpp"

namespace specql::handling {

namespace {

// The columns of specql.event_log, in the order of its definition.
enum Column {
    slot,
    id,
    type,
    action,
    entity,
    subject,
    data,
    occurredAt,
    xid,
    causedBy,
    root,
    depth,
    batch,
    status,
    attempts,
    deliveries,
    lastError,
    processedAt,
    caller,
    columnCount
};

struct LogWriter {
    BulkWriter* rows;
    int slot;
    TimestampTz now;
    Datum type, action, entity, done, unmatched, unheard;
    bool hasAction, hasEntity;
    FullTransactionId transaction;
    capture::Lineage lineage;
    Datum caller;  // 0: not stored
};

Datum text(const char* value) {
    return CStringGetTextDatum(value);
}

LogWriter openLog(int slot, int64_t expected, const char* type, const char* action, const char* entity,
                  const capture::Lineage& lineage, Datum caller) {
    LogWriter log;
    memset(&log, 0, sizeof log);
    log.caller = caller;
    log.now = GetCurrentTimestamp();
    log.slot = slot;
    log.rows = openWriter(logPartition(slot), expected);
    log.type = text(type);
    log.hasAction = action != nullptr;
    log.action = action != nullptr ? text(action) : 0;
    log.hasEntity = entity != nullptr;
    log.entity = entity != nullptr ? text(entity) : 0;
    log.done = text("done");
    log.unmatched = text("unmatched");
    log.unheard = text("unheard");
    log.transaction = GetTopFullTransactionId();
    log.lineage = lineage;
    return log;
}

// Begins a row and fills all columns that do not depend on the event's outcome or data.
TupleTableSlot* beginRow(LogWriter* log, const pg_uuid_t* eventId, const pg_uuid_t* batchId, Datum time, Datum state) {
    TupleTableSlot* row = nextRow(log->rows);
    setColumn(row, slot, Int16GetDatum(log->slot));
    setColumn(row, id, UUIDPGetDatum(eventId));
    setColumn(row, type, log->type);
    if (log->hasAction) setColumn(row, action, log->action);
    if (log->hasEntity) setColumn(row, entity, log->entity);
    setColumn(row, occurredAt, time);
    setColumn(row, xid, FullTransactionIdGetDatum(log->transaction));
    if (log->lineage.caused) setColumn(row, causedBy, UUIDPGetDatum(&log->lineage.causedBy));
    setColumn(row, root, UUIDPGetDatum(log->lineage.caused ? &log->lineage.root : eventId));
    setColumn(row, depth, Int32GetDatum(log->lineage.depth));
    setColumn(row, batch, UUIDPGetDatum(batchId));
    setColumn(row, status, state);
    if (log->caller != 0) setColumn(row, caller, log->caller);
    return row;
}

}  // namespace

void logHandled(const capture::Frame* frame) {
    capture::EventSet* events = frame->set;
    bool failed = events->attempts > 0 || events->lastError != nullptr;
    // An event with deliveries is logged in any case: they refer to it for their data.
    bool onlyDelivered = settings::logEvents == settings::logFailed && !failed;
    if (onlyDelivered && frame->deliveries == nullptr) return;
    const capture::Listener* listener = events->listener;
    LogWriter log =
        openLog(frame->logSlot, frame->count, listener->eventType, listener->action, listener->entity, events->lineage,
                capture::usesCaller(listener->action) ? capture::callerToStore(events->caller) : 0);
    for (int64_t i = 0; i < frame->count; ++i) {
        int queued = frame->deliveries != nullptr ? frame->deliveries[i] : 0;
        if (onlyDelivered && queued == 0) continue;
        capture::readEvent(events, frame->first + i);
        slot_getsomeattrs(events->row, capture::captured::data + 1);
        const Datum* values = events->row->tts_values;
        const bool* nulls = events->row->tts_isnull;
        bool matched = !OidIsValid(listener->trigger) ||
                       VARSIZE_ANY_EXHDR(DatumGetPointer(values[capture::captured::branches])) > 0;
        TupleTableSlot* row = beginRow(&log, frame->id(i), frame->id(0), values[capture::captured::time],
                                       matched ? log.done : log.unmatched);
        if (!nulls[capture::captured::subject]) setColumn(row, subject, values[capture::captured::subject]);
        if (!nulls[capture::captured::data]) setColumn(row, data, values[capture::captured::data]);
        setColumn(row, attempts, Int32GetDatum(events->attempts + 1));
        setColumn(row, deliveries, Int32GetDatum(queued));
        if (events->lastError != nullptr) setColumn(row, lastError, text(events->lastError));
        // An event with deliveries counts as processed when the last of them has succeeded.
        if (queued == 0) setColumn(row, processedAt, TimestampTzGetDatum(log.now));
        writeRow(log.rows);
    }
    closeWriter(log.rows);
}

void logUnheard(const char* type, const pg_uuid_t* ids, const Datum* payloads, const TimestampTz* times, int count) {
    if (settings::logEvents == settings::logFailed) return;
    // An action that is applied later may handle the event in a replay, and ask for its caller.
    LogWriter log = openLog(currentLogSlot(), count, type, nullptr, nullptr, capture::currentLineage(),
                            capture::callerToStore(capture::currentCaller()));
    for (int i = 0; i < count; ++i) {
        TupleTableSlot* row = beginRow(&log, &ids[i], &ids[0], TimestampTzGetDatum(times[i]), log.unheard);
        setColumn(row, data, payloads[i]);
        setColumn(row, attempts, Int32GetDatum(0));
        setColumn(row, deliveries, Int32GetDatum(0));
        setColumn(row, processedAt, TimestampTzGetDatum(log.now));
        writeRow(log.rows);
    }
    closeWriter(log.rows);
}

}  // namespace specql::handling
