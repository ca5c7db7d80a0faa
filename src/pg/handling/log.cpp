#include "pg/handling/log.hpp"

#include "pg/base/event_settings.hpp"
#include "pg/base/log_ring.hpp"
#include "pg/base/table_writer.hpp"
#include "pg/capture/event_columns.hpp"
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
    traceparent,
    settings
};
constexpr int noRelation = -1;
constexpr capture::EventColumns eventColumns = {id,      type,  action,     entity,      noRelation,
                                                subject, data,  occurredAt, xid,         causedBy,
                                                root,    depth, caller,     traceparent, settings};

struct LogWriter {
    BulkWriter* rows;
    int slot;
    TimestampTz now;
};

LogWriter openLog(int slot, int64_t expected) {
    return {openWriter(logPartition(slot), expected), slot, GetCurrentTimestamp()};
}

// Begins a row and fills what tells of its handling.
TupleTableSlot* beginRow(const LogWriter& log, const pg_uuid_t* batchId, Datum state, int tries, int queued) {
    TupleTableSlot* row = nextRow(log.rows);
    setColumn(row, slot, Int16GetDatum(log.slot));
    setColumn(row, batch, UUIDPGetDatum(batchId));
    setColumn(row, status, state);
    setColumn(row, attempts, Int32GetDatum(tries));
    setColumn(row, deliveries, Int32GetDatum(queued));
    // An event with deliveries counts as processed when the last of them has succeeded.
    if (queued == 0) setColumn(row, processedAt, TimestampTzGetDatum(log.now));
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
    bool withCaller = capture::usesCaller(listener->action);
    capture::EventOrigin origin = capture::originOf(events, withCaller ? capture::callerToStore(events->caller) : 0);
    Datum done = CStringGetTextDatum("done"), unmatched = CStringGetTextDatum("unmatched");
    LogWriter log = openLog(frame->logSlot, frame->count);
    for (int64_t i = 0; i < frame->count; ++i) {
        int queued = frame->deliveries != nullptr ? frame->deliveries[i] : 0;
        if (onlyDelivered && queued == 0) continue;
        TupleTableSlot* row = beginRow(log, frame->id(0), done, events->attempts + 1, queued);
        capture::fillEvent(row, eventColumns, origin, events, frame->first + i);
        Datum branches = events->row->tts_values[capture::captured::branches];
        bool matched = !OidIsValid(listener->trigger) || VARSIZE_ANY_EXHDR(DatumGetPointer(branches)) > 0;
        if (!matched) setColumn(row, status, unmatched);
        if (events->lastError != nullptr) setColumn(row, lastError, CStringGetTextDatum(events->lastError));
        writeRow(log.rows);
    }
    closeWriter(log.rows);
}

namespace {

// Events that no handler is run for. `why` is nullptr if nothing is to be said of them.
void logUnhandled(const capture::EventOrigin& origin, const char* state, const char* why, const pg_uuid_t* ids,
                  const Datum* payloads, const TimestampTz* times, int count) {
    if (settings::logEvents == settings::logFailed) return;
    Datum stateText = CStringGetTextDatum(state);
    LogWriter log = openLog(currentLogSlot(), count);
    for (int i = 0; i < count; ++i) {
        TupleTableSlot* row = beginRow(log, &ids[0], stateText, 0, 0);
        capture::fillOrigin(row, eventColumns, origin, &ids[i]);
        setColumn(row, occurredAt, TimestampTzGetDatum(times[i]));
        setColumn(row, data, payloads[i]);
        if (why != nullptr) setColumn(row, lastError, CStringGetTextDatum(why));
        writeRow(log.rows);
    }
    closeWriter(log.rows);
}

// An action that is applied later may handle the event in a replay, and ask for its caller.
capture::EventOrigin raisedNow(const char* type) {
    return capture::originOf(type, capture::currentLineage(), capture::callerToStore(capture::currentCaller()));
}

}  // namespace

void logUnheard(const char* type, const pg_uuid_t* ids, const Datum* payloads, const TimestampTz* times, int count) {
    logUnhandled(raisedNow(type), "unheard", nullptr, ids, payloads, times, count);
}

void logUnheard(const capture::EventOrigin& origin, const pg_uuid_t* id, Datum payload, TimestampTz time) {
    logUnhandled(origin, "unheard", nullptr, id, &payload, &time, 1);
}

void logRepeated(const char* type, const pg_uuid_t* id, TimestampTz time, const char* why) {
    Datum payload = DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"));
    logUnhandled(raisedNow(type), "repeated", why, id, &payload, &time, 1);
}

}  // namespace specql::handling
