// specql.call_external, notify and escalate: they queue deliveries as rows of specql.outbox, in the transaction of the
// handler.
#include "pg/base/clock.hpp"
#include "pg/base/event_settings.hpp"
#include "pg/base/known_key.hpp"
#include "pg/base/table_writer.hpp"
#include "pg/base/uuid.hpp"
#include "pg/base/wake.hpp"
#include "pg/base/worker_settings.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/capture/frame.hpp"
#include "pg/outbox/columns.hpp"
#include "pg/outbox/definition.hpp"

extern "C" {
#include "access/detoast.h"
}

namespace specql::outbox {

namespace {

enum Kind { kindCall, kindNotify, kindEscalation };
const char* const kindNames[] = {"call", "notify", "escalation"};
const char* const functionNames[] = {"specql.call_external", "specql.notify", "specql.escalate"};

// The columns of specql.own_payload, counted from 0.
enum OwnColumn { ownId, ownAggregateType, ownAggregateId, ownType, ownOperation, ownPayload, ownTraceparent, ownKey };

constexpr Size longestName = 255;  // bytes of a service or an operation: both are in indexes
constexpr double shortestRepeat = 0.1, longestRepeat = longestWait;  // seconds

struct Queue {
    BulkWriter* rows;       // nullptr in a replay that delivers nothing
    BulkWriter* payloads;   // rows of specql.own_payload, from the first one on
    int64_t expected;       // rows
    capture::Frame* frame;  // nullptr outside of handlers
    Kind kind;
    Datum kindName, target, text, aggregate, type, action, waitingStatus, owner;
    int32_t definition;              // 0: deliveries hold everything themselves
    Size fixedBytes;                 // size of a delivery without its payload and subject
    NullableDatum severity, repeat;  // of escalations
    Datum trace;                     // 0 if there is none
    Datum key;                       // the idempotency key of the call; 0 if it has none
    TimestampTz now, availableAt;
};

// Which arguments a function has behind service and operation, or channel and message: -1 for none, and the branch, or
// the event and its payload. Of escalations severity and repetition follow; `dedupeFor` is there if there is a key.
struct Arguments {
    int after = -1;
    int first = 2;
    int key = -1;
    int dedupeFor = -1;
};

Datum argument(FunctionCallInfo fcinfo, int number, const char* what, Kind kind) {
    if (PG_ARGISNULL(number))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s needs %s", functionNames[kind], what)));
    return PG_GETARG_DATUM(number);
}

Size sizeOf(Datum value) {
    return toast_raw_datum_size(value) - VARHDRSZ;
}

void checkName(Datum value, const char* what, Kind kind) {
    if (sizeOf(value) > longestName)
        ereport(ERROR, (errcode(ERRCODE_NAME_TOO_LONG),
                        errmsg("%s: %s has at most %zu bytes", functionNames[kind], what, longestName)));
}

void checkRepeat(const Interval* repeat) {
    double days = 30.0 * repeat->month + repeat->day;
    double seconds = days * 24 * 3600 + static_cast<double>(repeat->time) / USECS_PER_SEC;
    if (seconds < shortestRepeat || seconds > longestRepeat)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("specql.escalate: repeat must be from 100 milliseconds to 366 days"),
                        errhint("NULL sends the escalation once.")));
}

// Checks the arguments that all deliveries of a call share. `options` is the number of the argument with the severity,
// which only escalations have; the interval of their repetition is the next one.
Queue openQueue(FunctionCallInfo fcinfo, Kind kind, capture::Frame* frame, int64_t expected, int options,
                int after = -1) {
    Queue queue;
    memset(&queue, 0, sizeof queue);
    queue.frame = frame;
    queue.kind = kind;
    queue.target = argument(fcinfo, 0, kind == kindCall ? "a service" : "a channel", kind);
    queue.text = argument(fcinfo, 1, kind == kindCall ? "an operation" : "a message", kind);
    if (kind == kindCall) {
        checkName(queue.target, "a service", kind);
        checkName(queue.text, "an operation", kind);
    }
    queue.kindName = CStringGetTextDatum(kindNames[kind]);
    queue.owner = ObjectIdGetDatum(GetUserId());
    if (frame != nullptr) {
        const capture::Listener* listener = frame->listener();
        queue.aggregate = CStringGetTextDatum(listener->entity != nullptr ? listener->entity : listener->eventType);
        queue.type = CStringGetTextDatum(listener->eventType);
        queue.action = CStringGetTextDatum(listener->action);
    } else {
        queue.aggregate = queue.target;
        queue.type = kind == kindCall ? queue.text : queue.kindName;
    }
    queue.waitingStatus = CStringGetTextDatum("waiting");
    const capture::Baggage* baggage = capture::currentBaggage();
    if (baggage != nullptr && baggage->traceparent != nullptr) queue.trace = CStringGetTextDatum(baggage->traceparent);
    queue.severity.isnull = queue.repeat.isnull = true;
    if (kind == kindEscalation) {
        queue.severity = fcinfo->args[options];
        queue.repeat = fcinfo->args[options + 1];
        if (!queue.repeat.isnull) checkRepeat(DatumGetIntervalP(queue.repeat.value));
    }
    queue.fixedBytes = sizeOf(queue.target) + sizeOf(queue.text) + sizeOf(queue.aggregate) + sizeOf(queue.type) +
                       (queue.severity.isnull ? 0 : sizeOf(queue.severity.value));
    queue.now = queue.availableAt = GetCurrentTimestamp();
    if (after >= 0)
        queue.availableAt =
            timeAfter(queue.now, DatumGetIntervalP(argument(fcinfo, after, "a time", kind)), "specql.call_later");
    queue.expected = expected;
    if (capture::deliversNothing(frame)) return queue;
    queue.rows = openWriter("outbox", expected);
    wakeWorkerAtCommit();
    return queue;
}

void closeQueue(Queue* queue) {
    if (queue->payloads != nullptr) closeWriter(queue->payloads);
    if (queue->rows != nullptr) closeWriter(queue->rows);
}

// Whether deliveries of the events' data can refer to the log for it: a replay finds events there as they are handled,
// with other names perhaps than were logged.
bool refersToLog(const capture::Frame* frame) {
    return !settings::wholeDeliveries && !frame->set->replayed;
}

// Writes a delivery that is too large to a dead letter at once, because it must neither fail the statement that raised
// the event nor be copied again for each attempt. The payload is stored if a larger specql.max_payload_size could send
// it. Outside of handlers an error tells the caller.
void recordTooLarge(Queue* queue, TupleTableSlot* row, Size bytes) {
    const char* problem = psprintf("the delivery has %zu kB, specql.max_payload_size is %d kB", (bytes + 1023) / 1024,
                                   settings::maxPayloadSize);
    if (queue->frame == nullptr)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("%s: %s", functionNames[queue->kind], problem),
                        errhint("Send a reference to the data instead, or let a superuser raise the setting.")));
    BulkWriter* writer = openWriter("dead_letter", 1);
    TupleTableSlot* dead = nextRow(writer);
    memcpy(dead->tts_values, row->tts_values, sizeof(Datum) * columnCount);
    memcpy(dead->tts_isnull, row->tts_isnull, sizeof(bool) * columnCount);
    setColumn(dead, status, CStringGetTextDatum("dead"));
    setColumn(dead, lastError, CStringGetTextDatum(problem));
    setColumn(dead, finishedAt, TimestampTzGetDatum(queue->now));
    if (bytes > static_cast<Size>(settings::largestPayloadSize) * 1024) {
        const char* omitted = psprintf("{\"specql.omitted_bytes\": %zu}", bytes);
        setColumn(dead, payload, DirectFunctionCall1(jsonb_in, CStringGetDatum(omitted)));
        for (Column text : {aggregateId, channel, message, severity})
            if (!dead->tts_isnull[text] && sizeOf(dead->tts_values[text]) > longestName)
                setColumn(dead, text, CStringGetTextDatum("(left out)"));
    }
    writeRow(writer);
    closeWriter(writer);
}

// The next row, with all columns that a delivery of either kind holds.
TupleTableSlot* beginRow(const Queue* queue, const pg_uuid_t* deliveryId, const pg_uuid_t* idOfEvent) {
    TupleTableSlot* row = nextRow(queue->rows);
    setColumn(row, id, UUIDPGetDatum(deliveryId));
    setColumn(row, kind, queue->kindName);
    if (queue->kind == kindCall) setColumn(row, service, queue->target);
    if (idOfEvent != nullptr) setColumn(row, eventId, UUIDPGetDatum(idOfEvent));
    if (queue->frame != nullptr) setColumn(row, action, queue->action);
    setColumn(row, status, queue->waitingStatus);
    setColumn(row, attempts, Int32GetDatum(0));
    setColumn(row, availableAt, TimestampTzGetDatum(queue->availableAt));
    setColumn(row, createdAt, TimestampTzGetDatum(queue->now));
    if (!queue->severity.isnull) setColumn(row, severity, queue->severity.value);
    if (!queue->repeat.isnull) setColumn(row, repeatAfter, queue->repeat.value);
    setColumn(row, owner, queue->owner);
    return row;
}

bool isTooLarge(Size bytes) {
    return bytes > static_cast<Size>(settings::maxPayloadSize) * 1024;
}

// Writes what a call has that is not the data of its event beside it. So the row itself, which moves from table to
// table, stays narrow, unless it is to be whole.
void writeOwnPayload(Queue* queue, TupleTableSlot* row) {
    if (queue->payloads == nullptr) queue->payloads = openWriter("own_payload", queue->expected);
    TupleTableSlot* own = nextRow(queue->payloads);
    constexpr struct {
        Column from;
        OwnColumn to;
    } columns[] = {{aggregateType, ownAggregateType}, {aggregateId, ownAggregateId}, {type, ownType},
                   {operation, ownOperation},         {payload, ownPayload},         {traceparent, ownTraceparent}};
    setColumn(own, ownId, row->tts_values[id]);
    for (auto column : columns) {
        if (row->tts_isnull[column.from]) continue;
        setColumn(own, column.to, row->tts_values[column.from]);
        if (!settings::wholeDeliveries) row->tts_isnull[column.from] = true;
    }
    if (queue->key != 0) setColumn(own, ownKey, queue->key);
    writeRow(queue->payloads);
}

// Writes a delivery of what is not the data of its event in the log; `data` is its payload, or 0. `event` is the index
// in the frame of the event that it belongs to, or -1 if that is not in the frame.
void enqueueWhole(Queue* queue, const pg_uuid_t* deliveryId, int64_t event, const pg_uuid_t* idOfEvent, Datum data) {
    if (queue->rows == nullptr) return;
    TupleTableSlot* row = beginRow(queue, deliveryId, idOfEvent);
    setColumn(row, aggregateType, queue->aggregate);
    if (event >= 0 && !queue->frame->set->row->tts_isnull[capture::captured::subject])
        setColumn(row, aggregateId, queue->frame->set->row->tts_values[capture::captured::subject]);
    setColumn(row, type, queue->type);
    setColumn(row, payload, data != 0 ? data : DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
    if (queue->trace != 0) setColumn(row, traceparent, queue->trace);
    if (queue->kind != kindCall) setColumn(row, channel, queue->target);
    setColumn(row, queue->kind == kindCall ? operation : message, queue->text);
    Size bytes = queue->fixedBytes + sizeOf(row->tts_values[payload]) +
                 (row->tts_isnull[aggregateId] ? 0 : sizeOf(row->tts_values[aggregateId]));
    if (isTooLarge(bytes))
        recordTooLarge(queue, row, bytes);
    else {
        bool hasOwn = !settings::wholeDeliveries || queue->key != 0;
        if (queue->kind == kindCall && hasOwn) writeOwnPayload(queue, row);
        writeRow(queue->rows);
    }
    if (event >= 0) capture::countDelivery(queue->frame, event);
}

// Writes a delivery of the data of the event that the set has read, by a reference to the log, where the event will be.
// It is whole if it may be too large to be sent, so that its size decides.
void enqueueReference(Queue* queue, int64_t event) {
    capture::Frame* frame = queue->frame;
    pg_uuid_t deliveryId;
    newDeliveryUuid(frame->id(event), &deliveryId);
    TupleTableSlot* captured = frame->set->row;
    Size bytes = queue->fixedBytes + capture::mostShownBytes(frame->set);
    if (!captured->tts_isnull[capture::captured::subject])
        bytes += sizeOf(captured->tts_values[capture::captured::subject]);
    if (isTooLarge(bytes)) {
        enqueueWhole(queue, &deliveryId, event, frame->id(event), capture::shownData(frame->set));
        return;
    }
    TupleTableSlot* row = beginRow(queue, &deliveryId, frame->id(event));
    setColumn(row, definition, Int32GetDatum(queue->definition));
    setColumn(row, logSlot, Int16GetDatum(frame->logSlot));
    writeRow(queue->rows);
    capture::countDelivery(frame, event);
}

// Queues one delivery for each event of the branch, and returns how many.
Datum enqueueBranch(FunctionCallInfo fcinfo, Kind kind, Arguments arguments = {}) {
    capture::Frame* frame = capture::requireFrame(functionNames[kind]);
    int branch = DatumGetInt32(argument(fcinfo, arguments.first, "a branch", kind));
    capture::EventSet* events = frame->set;
    Queue queue = openQueue(fcinfo, kind, frame, frame->count, arguments.first + 1, arguments.after);
    bool everyBranch = !OidIsValid(frame->listener()->trigger);
    if (queue.rows != nullptr && refersToLog(frame)) {
        bool isCall = kind == kindCall;
        queue.definition =
            findOrWriteDefinition({queue.aggregate, queue.type, isCall ? queue.text : 0, isCall ? 0 : queue.target,
                                   isCall ? 0 : queue.text, queue.trace != 0});
    }
    MemoryContext perEvent = AllocSetContextCreate(CurrentMemoryContext, "specql delivery", ALLOCSET_DEFAULT_SIZES);
    int64_t queued = 0;
    for (int64_t i = 0; i < frame->count; ++i) {
        capture::readEvent(events, frame->first + i);
        if (!everyBranch && !capture::rowHasBranch(events, branch)) continue;
        slot_getsomeattrs(events->row, capture::captured::data + 1);
        MemoryContext before = MemoryContextSwitchTo(perEvent);
        if (queue.definition != 0) {
            enqueueReference(&queue, i);
        } else {
            pg_uuid_t deliveryId;
            newUuid(&deliveryId);
            enqueueWhole(&queue, &deliveryId, i, frame->id(i), capture::shownData(events));
        }
        MemoryContextSwitchTo(before);
        MemoryContextReset(perEvent);
        ++queued;
    }
    MemoryContextDelete(perEvent);
    closeQueue(&queue);
    PG_RETURN_INT64(queued);
}

// Is the key of a call known? Then `deliveryId` becomes the first call of the key, and the history says that this one
// repeats it: it counts as no delivery of its event.
bool isRepeated(Queue* queue, FunctionCallInfo fcinfo, Arguments arguments, const pg_uuid_t* event,
                pg_uuid_t* deliveryId) {
    KeyScope scope = {"specql.call_once", queue->target, queue->text};
    if (PG_ARGISNULL(arguments.key))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                        errmsg("the idempotency key of a call of %s is NULL", TextDatumGetCString(queue->target)),
                        errhint("Nothing would tell the call from others. Queue it only where there is a key.")));
    queue->key = PG_GETARG_DATUM(arguments.key);
    if (PG_ARGISNULL(arguments.dedupeFor))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("specql.call_once: dedupe_for is NULL")));
    Datum time = PG_GETARG_DATUM(arguments.dedupeFor);
    pg_uuid_t own = *deliveryId;
    if (makeKeyKnown(scope, queue->key, DatumGetIntervalP(time), deliveryId)) return false;
    BulkWriter* outbox = queue->rows;
    queue->rows = openWriter("delivery_history", 1);
    TupleTableSlot* row = beginRow(queue, &own, event);
    setColumn(row, aggregateType, queue->aggregate);
    setColumn(row, type, queue->type);
    setColumn(row, operation, queue->text);
    setColumn(row, status, CStringGetTextDatum("repeated"));
    const char* first = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(deliveryId)));
    setColumn(row, lastError,
              CStringGetTextDatum(psprintf("repeats %s: idempotency key %s", first, TextDatumGetCString(queue->key))));
    setColumn(row, finishedAt, TimestampTzGetDatum(queue->now));
    writeRow(queue->rows);
    closeWriter(queue->rows);
    queue->rows = outbox;
    return true;
}

// Queues one delivery with its own payload, and returns its id. If no event is given it belongs to the event of
// specql.focus(), by default the first of the frame. Users may call functions of bulk operations directly; they reach
// this without a frame.
Datum enqueueOne(FunctionCallInfo fcinfo, Kind kind, Arguments arguments = {}) {
    PreventCommandIfReadOnly(functionNames[kind]);
    capture::Frame* frame = capture::currentFrame();
    const pg_uuid_t* event = PG_ARGISNULL(arguments.first) ? nullptr : PG_GETARG_UUID_P(arguments.first);
    if (event == nullptr && frame != nullptr) event = frame->id(frame->focus);
    int64_t index = event != nullptr && frame != nullptr ? capture::findEvent(frame, event) : -1;
    if (index >= 0) {
        capture::readEvent(frame->set, frame->first + index);
        slot_getsomeattrs(frame->set->row, capture::captured::subject + 1);
    }
    int data = arguments.first + 1;
    Queue queue = openQueue(fcinfo, kind, frame, 1, data + 1, arguments.after);
    auto* deliveryId = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t)));
    newUuid(deliveryId);
    bool delivers = queue.rows != nullptr;
    if (arguments.key < 0 || !delivers || !isRepeated(&queue, fcinfo, arguments, event, deliveryId))
        enqueueWhole(&queue, deliveryId, index, event, PG_ARGISNULL(data) ? 0 : PG_GETARG_DATUM(data));
    closeQueue(&queue);
    PG_RETURN_UUID_P(deliveryId);
}

// Queues a call for each of many payloads, and returns their ids in the same order.
Datum enqueueMany(FunctionCallInfo fcinfo) {
    PreventCommandIfReadOnly("specql.enqueue");
    if (PG_ARGISNULL(2))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("specql.enqueue needs payloads")));
    Datum* payloads = nullptr;
    bool* nulls = nullptr;
    int count = 0;
    deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), JSONBOID, -1, false, TYPALIGN_INT, &payloads, &nulls, &count);
    // In a handler they belong to the event of specql.focus(), as single calls do.
    capture::Frame* frame = capture::currentFrame();
    const pg_uuid_t* event = frame != nullptr ? frame->id(frame->focus) : nullptr;
    if (frame != nullptr) {
        capture::readEvent(frame->set, frame->first + frame->focus);
        slot_getsomeattrs(frame->set->row, capture::captured::subject + 1);
    }
    Queue queue = openQueue(fcinfo, kindCall, frame, count, 3);
    auto* deliveries = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t) * Max(count, 1)));
    auto* ids = static_cast<Datum*>(palloc(sizeof(Datum) * Max(count, 1)));
    for (int i = 0; i < count; ++i) {
        newUuid(&deliveries[i]);
        ids[i] = UUIDPGetDatum(&deliveries[i]);
        enqueueWhole(&queue, &deliveries[i], frame != nullptr ? frame->focus : -1, event, nulls[i] ? 0 : payloads[i]);
    }
    closeQueue(&queue);
    PG_RETURN_ARRAYTYPE_P(construct_array(ids, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
}

}  // namespace

SPECQL_FUNCTION(specql_call_external) {
    return enqueueBranch(fcinfo, kindCall);
}
SPECQL_FUNCTION(specql_notify) {
    return enqueueBranch(fcinfo, kindNotify);
}
SPECQL_FUNCTION(specql_escalate) {
    return enqueueBranch(fcinfo, kindEscalation);
}
SPECQL_FUNCTION(specql_call_external_one) {
    return enqueueOne(fcinfo, kindCall);
}
SPECQL_FUNCTION(specql_notify_one) {
    return enqueueOne(fcinfo, kindNotify);
}
SPECQL_FUNCTION(specql_escalate_one) {
    return enqueueOne(fcinfo, kindEscalation);
}
// (service, operation, after, branch)
SPECQL_FUNCTION(specql_call_later) {
    return enqueueBranch(fcinfo, kindCall, {2, 3});
}
// (service, operation, after, event, payload)
SPECQL_FUNCTION(specql_call_later_one) {
    return enqueueOne(fcinfo, kindCall, {2, 3});
}
// (service, operation, key, event, payload, dedupe_for, after)
SPECQL_FUNCTION(specql_call_once) {
    return enqueueOne(fcinfo, kindCall, {PG_ARGISNULL(6) ? -1 : 6, 3, 2, 5});
}
// (service, operation, keys)
SPECQL_FUNCTION(specql_reserve_keys) {
    capture::Frame* frame = capture::currentFrame();
    if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2) || capture::deliversNothing(frame)) PG_RETURN_VOID();
    // One key needs no order.
    if (ArrayGetNItems(ARR_NDIM(PG_GETARG_ARRAYTYPE_P(2)), ARR_DIMS(PG_GETARG_ARRAYTYPE_P(2))) > 1)
        reserveKeys({"specql.reserve_keys", PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)}, PG_GETARG_DATUM(2));
    PG_RETURN_VOID();
}
SPECQL_FUNCTION(specql_enqueue) {
    return enqueueMany(fcinfo);
}
SPECQL_FUNCTION(specql_payload_size) {
    PG_RETURN_INT64(static_cast<int64>(sizeOf(PG_GETARG_DATUM(0))));
}

}  // namespace specql::outbox
