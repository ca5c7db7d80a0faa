#include "pg/history/past.hpp"

#include "pg/base/event_settings.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/bridge/subtransaction.hpp"
#include "pg/capture/registry.hpp"
#include "pg/handling/deferred.hpp"
#include "pg/handling/owner.hpp"
#include "pg/handling/run.hpp"
#include "pg/history/rebuild.hpp"

namespace specql::history {

namespace {

// Events per set. The search for repeated rows in lengthOfSet() is quadratic in it.
constexpr int largestSet = 256;

[[noreturn]] void refuseUnknown(const PastEvent* event) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("action %s does not handle %s any more", event->action, event->type),
                    errhint("Apply its spec again, or delete the failure.")));
    pg_unreachable();
}

// Is it the answer to a call of the action itself, for its on_response: or on_failure:?
bool isAnswer(const PastEvent* event) {
    constexpr char key[] = "specql.answer";
    if (event->data == 0) return false;
    Jsonb* data = DatumGetJsonbP(event->data);
    return JB_ROOT_IS_OBJECT(data) &&
           getKeyJsonValueFromContainer(&data->root, key, static_cast<int>(strlen(key)), nullptr) != nullptr;
}

capture::Listener* eventListenerOf(const PastEvent* event) {
    if (isAnswer(event))
        if (capture::Listener* listener = capture::eventAnswerListener(event->action, event->type)) return listener;
    ListCell* cell;
    foreach (cell, capture::eventListeners(event->type, event->action)) {
        capture::Listener* listener = static_cast<capture::Listener*>(lfirst(cell));
        if (strcmp(listener->action, event->action) == 0) return listener;
    }
    refuseUnknown(event);
}

capture::Listener* tableListenerOf(const PastEvent* event, Relation relation) {
    capture::Listener* listener = isAnswer(event) ? capture::findAnswerListener(relation, event->action, event->type)
                                                  : capture::findListener(relation, event->action, event->type);
    if (listener == nullptr) refuseUnknown(event);
    return listener;
}

void append(capture::EventSet* set, const PastEvent* event, TupleTableSlot* row, int maskBytes) {
    row->tts_values[capture::captured::time] = TimestampTzGetDatum(event->time);
    row->tts_isnull[capture::captured::time] = false;
    capture::appendEvent(set, row, set->listener->mask, maskBytes);
}

void appendCustom(capture::EventSet* set, const PastEvent* event) {
    TupleTableSlot* row = MakeSingleTupleTableSlot(set->listener->rowDescriptor, &TTSOpsVirtual);
    row->tts_values[capture::captured::data] = event->data;
    row->tts_isnull[capture::captured::data] = event->data == 0;
    row->tts_isnull[capture::captured::subject] = true;
    row->tts_isnull[capture::captured::time] = false;
    row->tts_isnull[capture::captured::branches] = false;
    ExecStoreVirtualTuple(row);
    append(set, event, row, 0);
}

capture::EventSet* makeSet(capture::Listener* listener, const PastEvent* events, int count, bool replayed) {
    capture::EventSet* set = capture::makeEventSet(listener, false);
    set->lineage = events->lineage;
    set->caller = capture::storedCaller(set->context, events->caller);
    set->baggage = capture::storedBaggage(set->context, events->traceparent, events->settings);
    set->attempts = events->attempts;
    set->lastError = events->message;
    set->replayed = replayed;
    set->noDeliveries = events->noDeliveries;
    set->ids = static_cast<pg_uuid_t*>(MemoryContextAlloc(set->context, sizeof(pg_uuid_t) * count));
    for (int i = 0; i < count; ++i)
        set->ids[i] = events[i].id;
    return set;
}

// `relation` is the open table of row events, nullptr for custom events.
capture::EventSet* setOf(capture::Listener* listener, Relation relation, const PastEvent* events, int count,
                         bool replayed) {
    capture::EventSet* set = makeSet(listener, events, count, replayed);
    if (relation == nullptr) {
        for (int i = 0; i < count; ++i)
            appendCustom(set, &events[i]);
        return set;
    }
    // An empty frame, so that specql.caller() in a condition gives the caller of the events.
    capture::Frame* frame = capture::pushFrame(set, 0, 0);
    for (int i = 0; i < count; ++i) {
        Jsonb* data = events[i].data != 0 ? DatumGetJsonbP(events[i].data) : nullptr;
        RebuiltEvent event = rebuildEvent(listener, relation, data);
        append(set, &events[i], event.row, event.maskBytes);
    }
    capture::popFrame(frame);
    return set;
}

void handleAsOwner(capture::Listener* listener, Relation relation, const PastEvent* events, int count, bool replayed) {
    capture::applySettings(events->settings, listener->handlerOwner);
    capture::EventSet* set = setOf(listener, relation, events, count, replayed);
    if (const char* chain = handling::cascadeChain(set))
        ereport(ERROR, (errcode(sqlstate::cascadeTooDeep),
                        errmsg("event %s would be number %d of a cascade; specql.max_cascade_depth is %d", events->type,
                               events->lineage.depth, settings::maxCascadeDepth),
                        errdetail("The chain of actions is %s.", chain)));
    if (ErrorData* violation = handling::deferredViolation(handling::runHandler(set, 0, count, nullptr)))
        ReThrowError(violation);
    capture::dropEventSet(set);
}

bool sameText(const char* left, const char* right) {
    return left == nullptr || right == nullptr ? left == right : strcmp(left, right) == 0;
}

// Can the two events be in one set? A set has one lineage, caller, baggage, table and number of attempts.
bool sameOrigin(const PastEvent* first, const PastEvent* next) {
    const capture::Lineage &left = first->lineage, &right = next->lineage;
    return left.caused == right.caused && left.depth == right.depth &&
           (!left.caused || (memcmp(&left.causedBy, &right.causedBy, UUID_LEN) == 0 &&
                             memcmp(&left.root, &right.root, UUID_LEN) == 0)) &&
           first->ofRow == next->ofRow && first->relation == next->relation &&
           first->noDeliveries == next->noDeliveries && first->attempts == next->attempts &&
           sameText(first->message, next->message) && capture::sameStoredCaller(first->caller, next->caller) &&
           sameText(first->traceparent, next->traceparent) && capture::sameSettings(first->settings, next->settings) &&
           strcmp(first->type, next->type) == 0 && strcmp(first->action, next->action) == 0;
}

// The number of events, from the first, that can be handled as one set: of one origin, and each about another row.
int lengthOfSet(const PastEvent* events, int count) {
    int length = 1;
    for (; length < count && length < largestSet; ++length) {
        const PastEvent* next = &events[length];
        if (!sameOrigin(events, next)) break;
        if (!next->ofRow) continue;
        if (next->subject == nullptr) break;
        for (int i = 0; i < length; ++i)
            if (sameText(events[i].subject, next->subject)) return length;
    }
    return length;
}

void tryRange(const PastEvent* events, int count, bool replayed, ErrorData** errors, handling::SharedError* shared) {
    CHECK_FOR_INTERRUPTS();
    ErrorData* error = trySubtransaction([events, count, replayed] { handlePast(events, count, replayed); });
    for (int i = 0; i < count; ++i)
        errors[i] = error;
    if (error == nullptr) return;
    if (error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE && IsolationUsesXactSnapshot()) ReThrowError(error);
    if (count == 1 || handling::isShared(events->action, error, shared)) return;
    tryRange(events, count / 2, replayed, errors, shared);
    tryRange(events + count / 2, count - count / 2, replayed, errors + count / 2, shared);
}

}  // namespace

PastEvent readPast(HeapTuple tuple, TupleDesc descriptor) {
    PastEvent event;
    memset(&event, 0, sizeof event);
    bool isNull;
    event.id = *DatumGetUUIDP(SPI_getbinval(tuple, descriptor, 1, &isNull));
    event.action = SPI_getvalue(tuple, descriptor, 2);
    event.type = SPI_getvalue(tuple, descriptor, 3);
    event.ofRow = DatumGetBool(SPI_getbinval(tuple, descriptor, 4, &isNull));
    Datum relation = SPI_getbinval(tuple, descriptor, 5, &isNull);
    event.relation = isNull ? InvalidOid : DatumGetObjectId(relation);
    event.subject = SPI_getvalue(tuple, descriptor, 6);
    Datum data = SPI_getbinval(tuple, descriptor, 7, &isNull);
    event.data = isNull ? 0 : PointerGetDatum(DatumGetJsonbPCopy(data));
    event.time = DatumGetTimestampTz(SPI_getbinval(tuple, descriptor, 8, &isNull));
    Datum causedBy = SPI_getbinval(tuple, descriptor, 9, &isNull);
    event.lineage.caused = !isNull;
    if (!isNull) event.lineage.causedBy = *DatumGetUUIDP(causedBy);
    event.lineage.root = *DatumGetUUIDP(SPI_getbinval(tuple, descriptor, 10, &isNull));
    event.lineage.depth = DatumGetInt32(SPI_getbinval(tuple, descriptor, 11, &isNull));
    Datum caller = SPI_getbinval(tuple, descriptor, 12, &isNull);
    event.caller = isNull ? 0 : PointerGetDatum(DatumGetJsonbPCopy(caller));
    event.traceparent = SPI_getvalue(tuple, descriptor, 13);
    Datum settings = SPI_getbinval(tuple, descriptor, 14, &isNull);
    event.settings = isNull ? 0 : PointerGetDatum(DatumGetJsonbPCopy(settings));
    return event;
}

void handlePast(const PastEvent* events, int count, bool replayed) {
    Relation relation = nullptr;
    if (events->ofRow) {
        if (!OidIsValid(events->relation) || !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(events->relation)))
            refuseUnknown(events);
        relation = table_open(events->relation, AccessShareLock);
    }
    capture::Listener* listener = relation != nullptr ? tableListenerOf(events, relation) : eventListenerOf(events);
    capture::prepareHandler(listener);
    handling::asOwner(listener->handlerOwner, [listener, relation, events, count, replayed] {
        handleAsOwner(listener, relation, events, count, replayed);
    });
    if (relation != nullptr) table_close(relation, NoLock);
}

void handleEach(const PastEvent* events, int count, bool replayed, ErrorData** errors) {
    for (int first = 0; first < count;) {
        int length = lengthOfSet(events + first, count - first);
        handling::SharedError shared = {};
        tryRange(events + first, length, replayed, errors + first, &shared);
        first += length;
    }
}

}  // namespace specql::history
