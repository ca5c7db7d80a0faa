#include "pg/handling/run.hpp"

#include "pg/base/event_settings.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/bridge/subtransaction.hpp"
#include "pg/capture/failure.hpp"
#include "pg/capture/listeners.hpp"
#include "pg/handling/log.hpp"
#include "pg/handling/waiting.hpp"

namespace specql::handling {

namespace {

// While a handler has failed for so many single events, and for none succeeded, ranges that fail are not taken apart.
constexpr int hopelessAfter = 16;

// ---- calling
// ---------------------------------------------------------------------------------------------------------

void callHandler(capture::Rule* rule, TriggerData* trigger) {
    capture::prepareHandler(rule);
    LOCAL_FCINFO(call, 0);
    InitFunctionCallInfoData(*call, &rule->handler, 0, InvalidOid, reinterpret_cast<fmNodePtr>(trigger), nullptr);
    Oid user;
    int securityContext;
    GetUserIdAndSecContext(&user, &securityContext);
    SetUserIdAndSecContext(rule->handlerUser, securityContext | SECURITY_LOCAL_USERID_CHANGE);
    FunctionCallInvoke(call);
    SetUserIdAndSecContext(user, securityContext);
}

// What was done, as far as it is known.
TriggerEvent eventOf(const capture::EventSet* set) {
    int operations = set->operations != 0 ? set->operations : set->rule->operations;
    if (operations & (1 << capture::opUpdate)) return TRIGGER_EVENT_UPDATE | TRIGGER_EVENT_AFTER;
    if (operations & (1 << capture::opInsert)) return TRIGGER_EVENT_INSERT | TRIGGER_EVENT_AFTER;
    return TRIGGER_EVENT_DELETE | TRIGGER_EVENT_AFTER;
}

void callAsTrigger(const capture::EventSet* set) {
    capture::Rule* rule = set->rule;
    Relation relation = table_open(rule->relation, AccessShareLock);
    TriggerDesc* triggers = relation->trigdesc;
    TriggerData trigger;
    memset(&trigger, 0, sizeof trigger);
    trigger.type = T_TriggerData;
    trigger.tg_event = eventOf(set);
    trigger.tg_relation = relation;
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; ++i)
        if (triggers->triggers[i].tgoid == rule->trigger) trigger.tg_trigger = &triggers->triggers[i];
    if (trigger.tg_trigger == nullptr)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                        errmsg("action %s has lost its trigger on %s", rule->action, rule->entity)));
    callHandler(rule, &trigger);
    table_close(relation, NoLock);
}

// ---- failing
// -----------------------------------------------------------------------------------------------------------

struct Attempt {
    capture::EventSet* set;
    TriggerData* trigger;
    int64_t failed;
    int64_t succeeded;
    ErrorData* lastError;
};

void giveUpOn(Attempt* attempt, int64_t first, int64_t count) {
    capture::recordFailures(attempt->set, first, count, attempt->lastError, false);
    attempt->failed += count;
}

// In a transaction with one snapshot a serialization failure cannot be cured by trying again inside of it.
bool endsTransaction(const ErrorData* error) {
    return error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE && IsolationUsesXactSnapshot();
}

void tryRange(Attempt* attempt, int64_t first, int64_t count) {
    ErrorData* error =
        trySubtransaction([attempt, first, count] { runHandler(attempt->set, first, count, attempt->trigger); });
    if (error == nullptr) {
        attempt->succeeded += count;
        return;
    }
    if (endsTransaction(error)) ReThrowError(error);
    attempt->lastError = error;
    bool hopeless = attempt->succeeded == 0 && attempt->failed >= hopelessAfter;
    if (count == 1 || hopeless || isContention(error)) {
        giveUpOn(attempt, first, count);
        return;
    }
    CHECK_FOR_INTERRUPTS();
    tryRange(attempt, first, count / 2);
    tryRange(attempt, first + count / 2, count - count / 2);
}

void warn(const Attempt* attempt) {
    const capture::Rule* rule = attempt->set->rule;
    ereport(WARNING, (errcode(attempt->lastError->sqlerrcode),
                      errmsg("action %s failed for %lld of %lld events: %s", rule->action,
                             static_cast<long long>(attempt->failed), static_cast<long long>(attempt->set->count),
                             attempt->lastError->message),
                      errhint("They wait in specql.failures and are tried again by specql.drain().")));
}

void refuseDepth(capture::EventSet* set, const char* chain) {
    // Chain and limit, as an error that is raised or recorded.
    ErrorData* error = static_cast<ErrorData*>(palloc0(sizeof(ErrorData)));
    error->elevel = ERROR;
    error->sqlerrcode = sqlstate::cascadeTooDeep;
    error->message = psprintf("event %s would be number %d of a cascade; specql.max_cascade_depth is %d",
                              set->rule->eventType, set->lineage.depth, settings::maxCascadeDepth);
    error->detail = psprintf("The chain of actions is %s.", chain);
    error->hint = pstrdup(
        "Give one of them a condition that ends the chain, or raise specql.max_cascade_depth; then type "
        "SELECT specql.retry(id) for the parked events in specql.failures.");
    if (set->rule->abortOnError)
        ereport(ERROR, (errcode(error->sqlerrcode), errmsg_internal("%s", error->message),
                        errdetail_internal("%s", error->detail), errhint("%s", error->hint)));
    capture::recordFailures(set, 0, set->count, error, true);
    ereport(WARNING, (errcode(error->sqlerrcode), errmsg_internal("%s", error->message),
                      errdetail_internal("%s", error->detail)));
}

}  // namespace

bool isContention(const ErrorData* error) {
    return error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED || error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
}

char* cascadeChain(const capture::EventSet* set) {
    return set->lineage.depth > settings::maxCascadeDepth ? capture::chainOfActions(set) : nullptr;
}

void runHandler(capture::EventSet* set, int64_t first, int64_t count, TriggerData* trigger) {
    capture::Frame* frame = capture::pushFrame(set, first, count);
    capture::Rule* rule = set->rule;
    if (!OidIsValid(rule->trigger))
        callHandler(rule, nullptr);
    else if (set->branchBytes == 0)
        ;  // only logged: log_events = all, and no branch holds for any row
    else if (trigger != nullptr)
        callHandler(rule, trigger);
    else
        callAsTrigger(set);
    // What the handler wrote straight to partitions belongs to its success or failure.
    while (capture::EventSet* leftover = capture::takeLeftover(frame->serial))
        handleSet(leftover, nullptr);
    if (!set->replayed) logHandled(frame);
    capture::popFrame(frame);
}

void callHandlerAlone(capture::EventSet* set) {
    capture::Frame* frame = capture::pushFrame(set, 0, set->count);
    if (OidIsValid(set->rule->trigger))
        callAsTrigger(set);
    else
        callHandler(set->rule, nullptr);
    capture::popFrame(frame);
}

void handleSet(capture::EventSet* set, TriggerData* trigger) {
    MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "specql handling", ALLOCSET_SMALL_SIZES);
    MemoryContext before = MemoryContextSwitchTo(scratch);
    if (set->ids == nullptr) capture::assignIds(set);
    if (capture::isPaused(set->rule->action)) {
        keepWaiting(set);
    } else if (const char* chain = cascadeChain(set)) {
        refuseDepth(set, chain);
    } else {
        Attempt attempt = {set, trigger, 0, 0, nullptr};
        int64_t end;
        for (int64_t first = 0; first < set->count; first = end) {
            end = capture::endOfRound(set, first);
            if (set->rule->abortOnError)
                runHandler(set, first, end - first, trigger);
            else
                tryRange(&attempt, first, end - first);
        }
        if (attempt.failed > 0) warn(&attempt);
    }
    MemoryContextSwitchTo(before);
    MemoryContextDelete(scratch);
    capture::dropEventSet(set);
}

void handleLeftovers() {
    if (!capture::anyPending()) return;
    PushActiveSnapshot(GetTransactionSnapshot());
    while (capture::EventSet* set = capture::takeLeftover(0)) {
        handleSet(set, nullptr);
        // Constraints and triggers that handlers have deferred: the server has fired the transaction's own before.
        PopActiveSnapshot();
        AfterTriggerFireDeferred();
        PushActiveSnapshot(GetTransactionSnapshot());
    }
    PopActiveSnapshot();
}

}  // namespace specql::handling
