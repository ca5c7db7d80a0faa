// call_external, notify, escalate: deliveries queued by handlers, in their transaction, as rows of specql.outbox.
#include "pg/bridge/entry.hpp"
#include "pg/events/bulk.hpp"
#include "pg/events/frame.hpp"
#include "pg/events/uuid.hpp"
#include "pg/worker/wake.hpp"

namespace specql {

namespace {

enum Kind { kindCall, kindNotify, kindEscalation };
const char* const kindNames[] = {"call", "notify", "escalation"};
const char* const functionNames[] = {"specql.call_external", "specql.notify", "specql.escalate"};

// The columns of specql.outbox, in the order of its definition.
enum Column {
    id, aggregateType, aggregateId, type, payload, kind, service, operation, channel, message, eventId, action, status,
    attempts, availableAt, leasedUntil, lastError, createdAt, acknowledgedAt, acknowledgedBy, severity, repeatAfter,
    leasedBy
};

struct Queue {
    BulkWriter* rows;    // nullptr: a replay that delivers nothing
    Frame* frame;        // nullptr outside of handlers
    Kind kind;
    Datum kindName, target, text, aggregate, type, action, waiting;
    NullableDatum severity, repeat;  // of escalations
    TimestampTz now;
};

Datum argument(FunctionCallInfo fcinfo, int number, const char* what, Kind kind) {
    if (PG_ARGISNULL(number))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s needs %s", functionNames[kind], what)));
    return PG_GETARG_DATUM(number);
}

// `options` is the number of the argument after those that all kinds have.
Queue openQueue(FunctionCallInfo fcinfo, Kind kind, Frame* frame, int64_t expected, int options) {
    Queue queue;
    memset(&queue, 0, sizeof queue);
    queue.frame = frame;
    queue.kind = kind;
    queue.target = argument(fcinfo, 0, kind == kindCall ? "a service" : "a channel", kind);
    queue.text = argument(fcinfo, 1, kind == kindCall ? "an operation" : "a message", kind);
    queue.kindName = CStringGetTextDatum(kindNames[kind]);
    if (frame != nullptr) {
        const Rule* rule = frame->rule();
        queue.aggregate = CStringGetTextDatum(rule->entity != nullptr ? rule->entity : rule->eventType);
        queue.type = CStringGetTextDatum(rule->eventType);
        queue.action = CStringGetTextDatum(rule->action);
    } else {
        queue.aggregate = queue.target;
        queue.type = kind == kindCall ? queue.text : queue.kindName;
    }
    queue.waiting = CStringGetTextDatum("waiting");
    queue.severity.isnull = queue.repeat.isnull = true;
    if (kind == kindEscalation) {
        queue.severity = fcinfo->args[options];
        queue.repeat = fcinfo->args[options + 1];
    }
    queue.now = GetCurrentTimestamp();
    if (isSilent(frame)) return queue;
    queue.rows = openWriter("outbox", expected);
    wakeWorkerAtCommit();
    return queue;
}

void set(TupleTableSlot* row, Column column, Datum value) {
    row->tts_values[column] = value;
    row->tts_isnull[column] = false;
}

// `event` is its index in the frame, or -1 for a delivery of no event of the frame.
void enqueue(Queue* queue, const pg_uuid_t* deliveryId, int64_t event, const pg_uuid_t* idOfEvent, Datum data,
             bool hasData) {
    if (queue->rows == nullptr) return;
    TupleTableSlot* row = nextRow(queue->rows);
    set(row, id, UUIDPGetDatum(deliveryId));
    set(row, aggregateType, queue->aggregate);
    if (event >= 0 && !queue->frame->set->row->tts_isnull[captured::subject])
        set(row, aggregateId, queue->frame->set->row->tts_values[captured::subject]);
    set(row, type, queue->type);
    set(row, payload, hasData ? data : DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
    set(row, kind, queue->kindName);
    set(row, queue->kind == kindCall ? service : channel, queue->target);
    set(row, queue->kind == kindCall ? operation : message, queue->text);
    if (idOfEvent != nullptr)
        set(row, eventId, UUIDPGetDatum(idOfEvent));
    if (queue->frame != nullptr)
        set(row, action, queue->action);
    set(row, status, queue->waiting);
    set(row, attempts, Int32GetDatum(0));
    set(row, availableAt, TimestampTzGetDatum(queue->now));
    set(row, createdAt, TimestampTzGetDatum(queue->now));
    if (!queue->severity.isnull) set(row, severity, queue->severity.value);
    if (!queue->repeat.isnull) set(row, repeatAfter, queue->repeat.value);
    writeRow(queue->rows);
    if (event >= 0)
        countDelivery(queue->frame, event);
}

// One delivery for each event of the branch; how many.
Datum enqueueBranch(FunctionCallInfo fcinfo, Kind kind) {
    Frame* frame = requireFrame(functionNames[kind]);
    int branch = DatumGetInt32(argument(fcinfo, 2, "a branch", kind));
    EventSet* events = frame->set;
    Queue queue = openQueue(fcinfo, kind, frame, frame->count, 3);
    bool everyBranch = !OidIsValid(frame->rule()->trigger);
    int64_t queued = 0;
    for (int64_t i = 0; i < frame->count; ++i) {
        readEvent(events, frame->first + i);
        if (!everyBranch && !rowHasBranch(events, branch))
            continue;
        slot_getsomeattrs(events->row, captured::data + 1);
        pg_uuid_t deliveryId;
        newUuid(&deliveryId);
        enqueue(&queue, &deliveryId, i, frame->id(i), events->row->tts_values[captured::data],
                !events->row->tts_isnull[captured::data]);
        ++queued;
    }
    if (queue.rows != nullptr) closeWriter(queue.rows);
    PG_RETURN_INT64(queued);
}

// One delivery with a payload of its own; its id. Without an event it belongs to the one in focus, by default
// the first of the frame. Functions of bulk operations call this too when people call them: then there is no frame.
Datum enqueueOne(FunctionCallInfo fcinfo, Kind kind) {
    PreventCommandIfReadOnly(functionNames[kind]);
    Frame* frame = currentFrame();
    const pg_uuid_t* event = PG_ARGISNULL(2) ? nullptr : PG_GETARG_UUID_P(2);
    if (event == nullptr && frame != nullptr)
        event = frame->id(frame->focus);
    int64_t index = event != nullptr && frame != nullptr ? findEvent(frame, event) : -1;
    if (index >= 0) {
        readEvent(frame->set, frame->first + index);
        slot_getsomeattrs(frame->set->row, captured::subject + 1);
    }
    Queue queue = openQueue(fcinfo, kind, frame, 1, 4);
    auto* deliveryId = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t)));
    newUuid(deliveryId);
    enqueue(&queue, deliveryId, index, event, PG_ARGISNULL(3) ? 0 : PG_GETARG_DATUM(3), !PG_ARGISNULL(3));
    if (queue.rows != nullptr) closeWriter(queue.rows);
    PG_RETURN_UUID_P(deliveryId);
}

}  // namespace

SPECQL_FUNCTION(specql_call_external) { return enqueueBranch(fcinfo, kindCall); }
SPECQL_FUNCTION(specql_notify) { return enqueueBranch(fcinfo, kindNotify); }
SPECQL_FUNCTION(specql_escalate) { return enqueueBranch(fcinfo, kindEscalation); }
SPECQL_FUNCTION(specql_call_external_one) { return enqueueOne(fcinfo, kindCall); }
SPECQL_FUNCTION(specql_notify_one) { return enqueueOne(fcinfo, kindNotify); }
SPECQL_FUNCTION(specql_escalate_one) { return enqueueOne(fcinfo, kindEscalation); }

}  // namespace specql
