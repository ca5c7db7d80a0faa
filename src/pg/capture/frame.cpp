#include "pg/capture/frame.hpp"

#include "pg/base/log_ring.hpp"
#include "pg/bridge/encoding.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/capture/working_user.hpp"

namespace specql::capture {

namespace {

Frame* innermost = nullptr;
uint64_t lastSerial = 0;

}  // namespace

Frame* currentFrame() {
    return innermost;
}

uint64_t currentFrameSerial() {
    return innermost != nullptr ? innermost->serial : 0;
}

Oid viewer() {
    if (innermost == nullptr) return workingUser();
    const Listener* listener = innermost->listener();
    if (OidIsValid(listener->handler.fn_oid)) return listener->handlerOwner;
    return OidIsValid(listener->captureOwner) ? listener->captureOwner : workingUser();
}

SPECQL_FUNCTION(specql_viewer) {
    PG_RETURN_OID(viewer());
}

Frame* requireFrame(const char* function) {
    // The frame belongs to one handler. A trigger function of another role, which fires because the handler writes to a
    // table, must not read the handler's events.
    if (innermost == nullptr ||
        (OidIsValid(innermost->listener()->handler.fn_oid) && innermost->listener()->handlerOwner != GetUserId()))
        ereport(
            ERROR,
            (errcode(sqlstate::outsideHandler), errmsg("%s can only be called by the handler of an event", function),
             errhint("Handlers are called when their event happens; specql.events shows the events that did.")));
    return innermost;
}

Lineage currentLineage() {
    Lineage lineage;
    memset(&lineage, 0, sizeof lineage);
    lineage.depth = 1;
    if (innermost != nullptr) {
        const Lineage& parent = innermost->set->lineage;
        lineage.caused = true;
        lineage.causedBy = *innermost->id(0);
        lineage.root = parent.caused ? parent.root : *innermost->id(0);
        lineage.depth = parent.depth + 1;
    }
    return lineage;
}

Frame* pushFrame(EventSet* set, int64_t first, int64_t count) {
    // In TopTransactionContext, because the callback that drops the frame after an error must still be able to read it.
    MemoryContext context = AllocSetContextCreate(TopTransactionContext, "specql frame", ALLOCSET_SMALL_SIZES);
    auto* frame = static_cast<Frame*>(MemoryContextAllocZero(context, sizeof(Frame)));
    frame->context = context;
    frame->parent = innermost;
    frame->serial = ++lastSerial;
    frame->subtransaction = GetCurrentSubTransactionId();
    frame->set = set;
    frame->first = first;
    frame->count = count;
    frame->logSlot = currentLogSlot();
    innermost = frame;
    return frame;
}

void popFrame(Frame* frame) {
    Assert(frame == innermost);
    innermost = frame->parent;
    MemoryContextDelete(frame->context);
}

void noteDeferrable(Frame* frame, Oid constraint) {
    if (list_member_oid(frame->deferrable, constraint)) return;
    MemoryContext before = MemoryContextSwitchTo(frame->context);
    frame->deferrable = lappend_oid(frame->deferrable, constraint);
    MemoryContextSwitchTo(before);
}

void dropFramesOf(SubTransactionId subtransaction) {
    while (innermost != nullptr && innermost->subtransaction == subtransaction)
        popFrame(innermost);
}

void dropAllFrames() {
    while (innermost != nullptr)
        popFrame(innermost);
}

int64_t findEvent(const Frame* frame, const pg_uuid_t* id) {
    // The ids of a set are ascending.
    int64_t low = 0, high = frame->count - 1;
    while (low <= high) {
        int64_t middle = (low + high) / 2;
        int order = memcmp(id->data, frame->id(middle)->data, UUID_LEN);
        if (order == 0) return middle;
        if (order < 0)
            high = middle - 1;
        else
            low = middle + 1;
    }
    return -1;
}

// specql.focus(event_id): deliveries that name no event belong to this one from now on.
SPECQL_FUNCTION(specql_focus) {
    Frame* frame = requireFrame("specql.focus");
    int64_t index = findEvent(frame, PG_GETARG_UUID_P(0));
    if (index < 0)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("the running handler was not given event %s",
                               DatumGetCString(DirectFunctionCall1(uuid_out, PG_GETARG_DATUM(0))))));
    frame->focus = index;
    PG_RETURN_VOID();
}

// specql.current_root(): the first cause of what the session handles; NULL outside of handlers.
SPECQL_FUNCTION(specql_current_root) {
    Lineage lineage = currentLineage();
    if (!lineage.caused) PG_RETURN_NULL();
    auto* root = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t)));
    *root = lineage.root;
    PG_RETURN_UUID_P(root);
}

// specql.undelivered(): the ids of the events for which no delivery has been queued.
SPECQL_FUNCTION(specql_undelivered) {
    Frame* frame = requireFrame("specql.undelivered");
    auto* ids = static_cast<Datum*>(MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Datum) * frame->count));
    int count = 0;
    for (int64_t i = 0; i < frame->count; ++i)
        if (frame->deliveries == nullptr || frame->deliveries[i] == 0) ids[count++] = UUIDPGetDatum(frame->id(i));
    PG_RETURN_ARRAYTYPE_P(construct_array(ids, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
}

bool deliversNothing(const Frame* frame) {
    for (; frame != nullptr; frame = frame->parent)
        if (frame->set->noDeliveries) return true;
    return false;
}

void countDelivery(Frame* frame, int64_t index) {
    if (frame->deliveries == nullptr)
        frame->deliveries = static_cast<int32_t*>(MemoryContextAllocExtended(
            frame->context, sizeof(int32_t) * frame->count, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
    ++frame->deliveries[index];
}

namespace {

// A retried event begins a new stack of frames, so the handlers that caused it are shown as "…".
void appendOrigin(StringInfo chain, const EventSet* first) {
    if (first->lineage.depth > 1) appendStringInfoString(chain, displayText("… → "));
}

void appendFrames(StringInfo chain, const Frame* frame) {
    if (frame->parent != nullptr)
        appendFrames(chain, frame->parent);
    else
        appendOrigin(chain, frame->set);
    appendStringInfo(chain, "%s%s", frame->listener()->action, displayText(" → "));
}

}  // namespace

char* chainOfActions(const EventSet* last) {
    StringInfoData chain;
    initStringInfo(&chain);
    if (innermost != nullptr)
        appendFrames(&chain, innermost);
    else
        appendOrigin(&chain, last);
    appendStringInfoString(&chain, last->listener->action);
    return chain.data;
}

}  // namespace specql::capture
