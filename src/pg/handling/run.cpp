#include "pg/handling/run.hpp"

#include "pg/base/event_settings.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/bridge/spi.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/bridge/subtransaction.hpp"
#include "pg/capture/failure.hpp"
#include "pg/capture/omitted.hpp"
#include "pg/capture/registry.hpp"
#include "pg/capture/tellable.hpp"
#include "pg/capture/triggers.hpp"
#include "pg/capture/working_user.hpp"
#include "pg/handling/deferred.hpp"
#include "pg/handling/log.hpp"
#include "pg/handling/waiting.hpp"

namespace specql::handling {

namespace {

// After this many failed events without a success the handler is taken to fail always: a range of events that fails is
// then recorded as a whole, and not split any more.
constexpr int failsAlwaysAfter = 16;

// So many calls of the handler may be used up to find out which events of a set fail, and one more for so many events.
// What is then left of the set waits for the worker, so that the statement of the user does not wait for it.
constexpr int64_t callsOfAnySet = 200;
constexpr int64_t eventsPerCall = 50;

// ---- calling ------------------------------------------------------------------------------------------------------

void callHandler(capture::Listener* listener, TriggerData* trigger) {
    capture::prepareHandler(listener);
    LOCAL_FCINFO(call, 0);
    InitFunctionCallInfoData(*call, &listener->handler, 0, InvalidOid, reinterpret_cast<fmNodePtr>(trigger), nullptr);
    Oid user;
    int securityContext;
    GetUserIdAndSecContext(&user, &securityContext);
    SetUserIdAndSecContext(listener->handlerOwner, securityContext | SECURITY_LOCAL_USERID_CHANGE);
    FunctionCallInvoke(call);
    SetUserIdAndSecContext(user, securityContext);
}

// What TG_OP shall say: the operation of the captured rows, or of the trigger if it is not known.
TriggerEvent triggerEventOf(const capture::EventSet* set) {
    int operations = set->operations != 0 ? set->operations : set->listener->operations;
    if (operations & (1 << capture::opUpdate)) return TRIGGER_EVENT_UPDATE | TRIGGER_EVENT_AFTER;
    if (operations & (1 << capture::opInsert)) return TRIGGER_EVENT_INSERT | TRIGGER_EVENT_AFTER;
    return (operations & (1 << capture::opDelete) ? TRIGGER_EVENT_DELETE : TRIGGER_EVENT_TRUNCATE) |
           TRIGGER_EVENT_AFTER;
}

// Calls a handler that is a trigger function while no trigger is running, with TriggerData made up for it.
void callAsTrigger(const capture::EventSet* set) {
    capture::Listener* listener = set->listener;
    Relation relation = table_open(listener->relation, AccessShareLock);
    TriggerDesc* triggers = capture::triggersOf(relation);
    TriggerData trigger;
    memset(&trigger, 0, sizeof trigger);
    trigger.type = T_TriggerData;
    trigger.tg_event = triggerEventOf(set);
    trigger.tg_relation = relation;
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; ++i)
        if (triggers->triggers[i].tgoid == listener->trigger) trigger.tg_trigger = &triggers->triggers[i];
    if (trigger.tg_trigger == nullptr)
        ereport(ERROR, (errcode(sqlstate::actionBroken),
                        errmsg("action %s has lost its trigger on %s", listener->action, listener->entity)));
    callHandler(listener, &trigger);
    table_close(relation, NoLock);
}

// ---- failing ------------------------------------------------------------------------------------------------------

struct Attempt {
    capture::EventSet* set;
    TriggerData* trigger;
    int64_t calls;   // of the handler, to find out which events fail
    int64_t failed;  // events
    int64_t succeeded;
    int64_t untried;  // are left to the worker
    List* ranges;     // of FailedRange: written down when all events are done
    ErrorData* lastError;
    List* violated;  // the last error was a violation of one of these deferrable constraints
    SharedError shared;
};

// Raises a violation of a deferred constraint as if the handler had.
void runToTheEnd(Attempt* attempt, int64_t first, int64_t count) {
    attempt->violated = NIL;
    List* deferrable = runHandler(attempt->set, first, count, attempt->trigger);
    ErrorData* violation = deferredViolation(deferrable);
    if (violation == nullptr) return;
    attempt->violated = deferrable;
    ReThrowError(violation);
}

void noteFailed(Attempt* attempt, int64_t first, int64_t count) {
    if (capture::deliversNothing(capture::currentFrame())) ReThrowError(attempt->lastError);
    auto* range = static_cast<capture::FailedRange*>(palloc(sizeof(capture::FailedRange)));
    *range = {first, count, attempt->lastError};
    attempt->ranges = lappend(attempt->ranges, range);
    attempt->failed += count;
}

// In a transaction with one snapshot a serialization failure cannot be cured by trying again inside of it.
bool endsTransaction(const ErrorData* error) {
    return error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE && IsolationUsesXactSnapshot();
}

enum class Outcome { succeeded, failed, waits };

Outcome tryRange(Attempt* attempt, int64_t first, int64_t count) {
    CHECK_FOR_INTERRUPTS();
    ErrorData* error = trySubtransaction([attempt, first, count] { runToTheEnd(attempt, first, count); });
    if (error == nullptr) {
        attempt->succeeded += count;
        return Outcome::succeeded;
    }
    if (endsTransaction(error)) ReThrowError(error);
    // What the session itself has violated, it may mend before its COMMIT.
    if (attempt->violated != NIL && deferredViolation(attempt->violated) != nullptr) {
        leaveUntried(attempt->set, first, count);
        return Outcome::waits;
    }
    attempt->lastError = const_cast<ErrorData*>(capture::tellable(attempt->set->listener->action, error));
    return Outcome::failed;
}

bool readsWithheld(const capture::Listener* listener) {
    for (const capture::CompiledCapture* compiled : listener->compiled)
        if (compiled != nullptr && compiled->readsWithheld) return true;
    return false;
}

bool canWait(capture::EventSet* set, int64_t event) {
    capture::readEvent(set, event);
    slot_getsomeattrs(set->row, capture::captured::data + 1);
    if (set->row->tts_isnull[capture::captured::data]) return true;
    Pointer stored = DatumGetPointer(set->row->tts_values[capture::captured::data]);
    Jsonb* data = DatumGetJsonbP(PointerGetDatum(stored));
    // What events of the table never carry matters only if the action reads it.
    bool carries = capture::carriesAll(data, !readsWithheld(set->listener));
    if (reinterpret_cast<Pointer>(data) != stored) pfree(data);
    return carries;
}

// Leaves the events [first, end) to a worker. Those that do not carry all of their rows have it only now, so each of
// them is tried at once.
void leaveRest(Attempt* attempt, int64_t first, int64_t end) {
    for (int64_t next = first; next < end; ++next) {
        int64_t begin = next;
        while (next < end && canWait(attempt->set, next))
            ++next;
        if (next > begin) leaveUntried(attempt->set, begin, next - begin);
        attempt->untried += next - begin;
        if (next < end && tryRange(attempt, next, 1) == Outcome::failed) noteFailed(attempt, next, 1);
    }
}

bool mayTryMore(const Attempt* attempt) {
    return attempt->calls < callsOfAnySet + attempt->set->count / eventsPerCall;
}

// Finds out which of the events [first, end) fail, which they do together, and handles the others.
//
// Within a range that is known to fail the first half is tried, and then the half of what fails, until one event fails
// alone. Behind it ranges are tried that grow as long as they succeed; they begin with half of the distance between the
// last two failures, so that it does not matter much whether few events fail or many. `suspects` is the end of the
// smallest range from `first` on that is known to fail; nothing is known if it is not behind `first`.
void findFailing(Attempt* attempt, int64_t first, int64_t end) {
    const char* action = attempt->set->listener->action;
    int64_t suspects = end, size = 1, lastFailure = first;
    ++attempt->calls;
    if (end - first == 1 || isShared(action, attempt->lastError, &attempt->shared)) {
        noteFailed(attempt, first, end - first);
        return;
    }
    while (first < end && mayTryMore(attempt) && !isBehind(action)) {
        int64_t count = suspects > first ? Max((suspects - first) / 2, 1) : Min(size, end - first);
        Outcome outcome = tryRange(attempt, first, count);
        ++attempt->calls;
        bool failsAlways = attempt->succeeded == 0 && attempt->failed >= failsAlwaysAfter;
        if (outcome != Outcome::failed) {
            first += count;
            size *= 2;
        } else if (isShared(action, attempt->lastError, &attempt->shared)) {
            noteFailed(attempt, first, end - first);
            return;
        } else if (count == 1 || failsAlways) {
            noteFailed(attempt, first, count);
            size = failsAlways ? count * 2 : Max((first - lastFailure) / 2, 1);
            first += count;
            lastFailure = suspects = first;
        } else {
            suspects = first + count;
        }
    }
    leaveRest(attempt, first, end);
}

void handleRounds(Attempt* attempt) {
    capture::EventSet* set = attempt->set;
    int64_t end;
    for (int64_t first = 0; first < set->count; first = end) {
        if (isBehind(set->listener->action) || !mayTryMore(attempt)) {
            leaveRest(attempt, first, set->count);
            break;
        }
        end = capture::endOfRound(set, first);
        if (set->listener->abortOnError)
            runHandler(set, first, end - first, attempt->trigger);
        else if (tryRange(attempt, first, end - first) == Outcome::failed)
            findFailing(attempt, first, end);
    }
    if (attempt->ranges != NIL) capture::recordFailures(set, attempt->ranges, false);
}

void warn(const Attempt* attempt) {
    const capture::Listener* listener = attempt->set->listener;
    ereport(WARNING,
            (errcode(attempt->lastError->sqlerrcode),
             errmsg("action %s failed for %lld of %lld events: %s", listener->action,
                    static_cast<long long>(attempt->failed), static_cast<long long>(attempt->set->count),
                    attempt->lastError->message),
             capture::hideStatement(listener->action),
             attempt->untried == 0 ? 0
                                   : errdetail("%lld events were not tried, because too many had failed. They are "
                                               "handled after the commit, by a worker or by specql.drain().",
                                               static_cast<long long>(attempt->untried)),
             attempt->untried == 0
                 ? errhint("They wait in specql.failures and are tried again by specql.drain().")
                 : errhint("Those that failed are in specql.failures and are tried again by specql.drain(); the others "
                           "are in specql.events, with the status waiting.")));
}

void failTooDeep(capture::EventSet* set, const char* chain) {
    // The same error is raised with on_error = abort, and recorded otherwise.
    ErrorData* error = static_cast<ErrorData*>(palloc0(sizeof(ErrorData)));
    error->elevel = ERROR;
    error->sqlerrcode = sqlstate::cascadeTooDeep;
    error->message = psprintf("event %s would be number %d of a cascade; specql.max_cascade_depth is %d",
                              set->listener->eventType, set->lineage.depth, settings::maxCascadeDepth);
    error->detail = psprintf("The chain of actions is %s.", chain);
    error->hint = pstrdup(
        "Give one of them a condition that ends the chain, or raise specql.max_cascade_depth; then type "
        "SELECT specql.retry(id) for the parked events in specql.failures.");
    if (set->listener->abortOnError)
        ereport(ERROR, (errcode(error->sqlerrcode), errmsg_internal("%s", error->message),
                        errdetail_internal("%s", error->detail), errhint("%s", error->hint)));
    capture::recordFailures(set, 0, set->count, error, true);
    ereport(WARNING, (errcode(error->sqlerrcode), errmsg_internal("%s", error->message),
                      errdetail_internal("%s", error->detail)));
}

}  // namespace

bool isShared(const char* action, const ErrorData* error, SharedError* last) {
    int code = error->sqlerrcode;
    if (code == ERRCODE_T_R_DEADLOCK_DETECTED || code == ERRCODE_LOCK_NOT_AVAILABLE) return true;
    if (code == last->sqlerrcode) return last->shared;
    bool shared = false;
    runAsExtensionOwner([action, code, &shared] {
        spi::connect();
        (void)spi::query("SELECT specql.is_waiting($1, $2)", {{TEXTOID, CStringGetTextDatum(action)},
                                                              {TEXTOID, CStringGetTextDatum(unpack_sql_state(code))}});
        shared = spi::flag(0, 1);
        spi::finish();
    });
    *last = {code, shared};
    return shared;
}

char* cascadeChain(const capture::EventSet* set) {
    return set->lineage.depth > settings::maxCascadeDepth ? capture::chainOfActions(set) : nullptr;
}

List* runHandler(capture::EventSet* set, int64_t first, int64_t count, TriggerData* trigger) {
    capture::Frame* frame = capture::pushFrame(set, first, count);
    capture::Listener* listener = set->listener;
    // Without any branch the events are only logged, which log_events = all asks for.
    bool matched = !OidIsValid(listener->trigger) || set->branchBytes > 0;
    if (matched && OidIsValid(listener->trigger) && trigger == nullptr)
        callAsTrigger(set);
    else if (matched)
        callHandler(listener, trigger);
    // Actions for rows that the handler wrote directly to a partition run here, so that their errors are the handler's.
    while (capture::EventSet* leftover = capture::takeLeftover(frame->serial))
        handleEventSet(leftover, nullptr);
    if (!set->replayed) logHandled(frame);
    List* deferrable = list_copy(frame->deferrable);
    capture::popFrame(frame);
    // What was written inside of a frame was written inside of those around it.
    ListCell* cell;
    foreach (cell, deferrable)
        if (capture::Frame* outer = capture::currentFrame()) capture::noteDeferrable(outer, lfirst_oid(cell));
    return deferrable;
}

void callHandlerOnly(capture::EventSet* set) {
    capture::Frame* frame = capture::pushFrame(set, 0, set->count);
    if (OidIsValid(set->listener->trigger))
        callAsTrigger(set);
    else
        callHandler(set->listener, nullptr);
    capture::popFrame(frame);
}

void handleEventSet(capture::EventSet* set, TriggerData* trigger) {
    MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "specql handling", ALLOCSET_SMALL_SIZES);
    MemoryContext before = MemoryContextSwitchTo(scratch);
    if (set->ids == nullptr) capture::assignIds(set);
    if (capture::isPaused(set->listener->action)) {
        storeWaiting(set, 0, set->count);
    } else if (const char* chain = cascadeChain(set)) {
        failTooDeep(set, chain);
    } else {
        Attempt attempt = {set, trigger, 0, 0, 0, 0, NIL, nullptr, NIL, {}};
        handleRounds(&attempt);
        if (attempt.failed > 0) warn(&attempt);
    }
    MemoryContextSwitchTo(before);
    MemoryContextDelete(scratch);
    capture::dropEventSet(set);
}

void handleWithSettings(capture::EventSet* set) {
    Datum settings = set->baggage != nullptr ? set->baggage->settings : 0;
    if (settings == 0) {
        handleEventSet(set, nullptr);
        return;
    }
    int level = NewGUCNestLevel();
    capture::applySettings(settings, capture::workingUser());
    handleEventSet(set, nullptr);
    AtEOXact_GUC(false, level);
}

void handleLeftovers() {
    if (!capture::anyPending()) return;
    PushActiveSnapshot(GetTransactionSnapshot());
    while (capture::EventSet* set = capture::takeLeftover(0)) {
        handleWithSettings(set);
        // The server has fired the deferred triggers of the transaction already, so those that a handler has deferred
        // must be fired here.
        PopActiveSnapshot();
        AfterTriggerFireDeferred();
        PushActiveSnapshot(GetTransactionSnapshot());
    }
    PopActiveSnapshot();
}

}  // namespace specql::handling
