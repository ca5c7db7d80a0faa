// specql.capture(): the row trigger that decides which rows are events.
#include "pg/base/clock.hpp"
#include "pg/base/event_settings.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/settings.hpp"
#include "pg/bridge/subtransaction.hpp"
#include "pg/capture/event_set.hpp"
#include "pg/capture/failure.hpp"

extern "C" {
#include "utils/bytea.h"
#include "utils/float.h"
}

namespace specql::capture {

namespace {

int triggerDepth() {
    LOCAL_FCINFO(call, 0);
    return DatumGetInt32(pg_trigger_depth(call));
}

Operation operationOf(TriggerEvent event) {
    if (TRIGGER_FIRED_BY_INSERT(event)) return opInsert;
    if (TRIGGER_FIRED_BY_UPDATE(event)) return opUpdate;
    return opDelete;
}

// Whose condition it was, for the error that one raises.
struct Evaluated {
    const RuleGroup* group;
    const Rule* rule;  // nullptr: all of the group's
};
void describeRule(void* argument) {
    const auto* evaluated = static_cast<const Evaluated*>(argument);
    if (evaluated->rule != nullptr)
        errcontext("condition or values of action %s", evaluated->rule->action);
    else
        errcontext("conditions of the actions on %s", evaluated->group->rules[0]->entity);
}

// A row for which the rule's conditions or values can be computed, or nullptr if it matches none; `bytes` is the size
// of the rule's mask then.
TupleTableSlot* evaluate(Rule* rule, Operation operation, ExprContext* evaluation, int* bytes) {
    CompiledCapture* compiled = rule->compiled[operation];
    *bytes = evaluateBranches(rule, compiled, evaluation);
    if (*bytes == 0 && settings::logEvents != settings::logAll) return nullptr;
    MemoryContext before = MemoryContextSwitchTo(evaluation->ecxt_per_tuple_memory);
    TupleTableSlot* row = ExecProject(compiled->row);
    MemoryContextSwitchTo(before);
    row->tts_values[captured::time] = TimestampTzGetDatum(engineTime());
    row->tts_isnull[captured::time] = false;
    return row;
}

void fillColumn(TupleTableSlot* row, int column, ExprState* value, ExprContext* evaluation) {
    row->tts_values[column] = ExecEvalExprSwitchContext(value, evaluation, &row->tts_isnull[column]);
}

// Without a capture function: {"old": …, "new": …}, as those have it.
Datum imagesOf(Operation operation, ExprContext* evaluation) {
    StringInfoData images;
    initStringInfo(&images);
    for (int isNew = 0; isNew < 2; ++isNew) {
        if (isNew ? operation == opDelete : operation == opInsert) continue;
        TupleTableSlot* slot = isNew ? evaluation->ecxt_outertuple : evaluation->ecxt_innertuple;
        Datum json = DirectFunctionCall1(row_to_json, ExecFetchSlotHeapTupleDatum(slot));
        appendStringInfo(&images, "%s\"%s\": %s", images.len > 0 ? ", " : "{", isNew ? "new" : "old",
                         TextDatumGetCString(json));
    }
    appendStringInfoChar(&images, '}');
    return DirectFunctionCall1(jsonb_in, CStringGetDatum(images.data));
}

// The event is recorded as failed with what is known of the row; the next attempt evaluates it again.
void recordRaised(Rule* rule, Operation operation, ExprContext* evaluation, const ErrorData* error) {
    CompiledCapture* compiled = rule->compiled[operation];
    TupleTableSlot* row = MakeSingleTupleTableSlot(rule->shape, &TTSOpsVirtual);
    memset(row->tts_isnull, true, rule->shape->natts);
    trySubtransaction([row, compiled, operation, evaluation] {
        if (compiled == nullptr) {
            row->tts_values[captured::data] = imagesOf(operation, evaluation);
            row->tts_isnull[captured::data] = false;
            return;
        }
        fillColumn(row, captured::subject, compiled->subject, evaluation);
        fillColumn(row, captured::data, compiled->data, evaluation);
    });
    row->tts_values[captured::time] = TimestampTzGetDatum(engineTime());
    row->tts_isnull[captured::time] = false;
    ExecStoreVirtualTuple(row);
    EventSet* set = makeEventSet(rule, false);
    appendEvent(set, row, nullptr, 0);
    assignIds(set);
    recordFailures(set, 0, 1, error, false);
    dropEventSet(set);
    ExecDropSingleTupleTableSlot(row);
    if (rule->warnedAt == GetCurrentStatementStartTimestamp()) return;
    rule->warnedAt = GetCurrentStatementStartTimestamp();
    const char* what = compiled == nullptr
                           ? psprintf("action %s is broken", rule->action)
                           : psprintf("a condition or value of action %s raised an error", rule->action);
    ereport(WARNING, (errcode(error->sqlerrcode), errmsg("%s: %s", what, error->message),
                      errhint("The events wait in specql.failures and are tried again by specql.drain().")));
}

// Whether this transaction has written the row before. If not, nothing that it captured so far is about the same row.
bool writtenBefore(const TriggerData* trigger) {
    if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event)) return false;
    if (trigger->tg_relation->rd_rel->relam != HEAP_TABLE_AM_OID)
        return true;  // where xmin may mean something else, or nothing
    return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(trigger->tg_trigtuple->t_data));
}

void append(Rule* rule, Operation operation, const TriggerData* trigger, TupleTableSlot* row, int bytes) {
    // A row of a partition: the statement may be on the partition, and then the table above it has no trigger for it.
    bool mayLinger = RelationGetRelid(trigger->tg_relation) != rule->relation;
    EventSet* set = openEventSet(rule, triggerDepth(), mayLinger);
    int before = set->operations;
    set->operations |= 1 << operation;
    // A row that was deleted and is inserted again, as by a move to another partition, has no xmin that tells.
    bool mixed = before != 0 && before != set->operations;
    set->mayRepeat = set->mayRepeat || mixed || writtenBefore(trigger);
    appendEvent(set, row, rule->mask, bytes);
}

void captureFor(Rule* rule, Operation operation, const TriggerData* trigger, ExprContext* evaluation) {
    int bytes = 0;
    TupleTableSlot* row = nullptr;
    if (rule->broken != nullptr) {
        MemoryContext before = MemoryContextSwitchTo(evaluation->ecxt_per_tuple_memory);
        recordRaised(rule, operation, evaluation, rule->broken);
        MemoryContextSwitchTo(before);
        return;
    }
    if (rule->compiled[operation]->mayRaise && !rule->abortOnError) {
        // The caller is safe: what goes wrong with a rule's expressions is the rule's failure, not the statement's.
        MemoryContext before = MemoryContextSwitchTo(evaluation->ecxt_per_tuple_memory);
        ErrorData* error = trySubtransaction(
            [&row, &bytes, rule, operation, evaluation] { row = evaluate(rule, operation, evaluation, &bytes); });
        if (error != nullptr && error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE && IsolationUsesXactSnapshot())
            ReThrowError(error);
        if (error != nullptr) recordRaised(rule, operation, evaluation, error);
        MemoryContextSwitchTo(before);
    } else {
        row = evaluate(rule, operation, evaluation, &bytes);
    }
    if (row != nullptr) append(rule, operation, trigger, row, bytes);
}

// What is kept of a row as text is read again by other sessions, whose settings may be others. Ends with
// AtEOXact_GUC(true, level); 0 if nothing had to be changed.
int usePlainFormats() {
    if (DateStyle == USE_ISO_DATES && IntervalStyle == INTSTYLE_POSTGRES && extra_float_digits > 0 &&
        bytea_output == BYTEA_OUTPUT_HEX)
        return 0;
    int level = NewGUCNestLevel();
    setLocal("DateStyle", "ISO");
    setLocal("IntervalStyle", "postgres");
    setLocal("extra_float_digits", "1");
    setLocal("bytea_output", "hex");
    return level;
}

void captureBy(RuleSource* source, Operation operation, const TriggerData* trigger) {
    TupleTableSlot* oldRow = operation == opInsert ? nullptr : trigger->tg_trigslot;
    TupleTableSlot* newRow = operation == opInsert   ? trigger->tg_trigslot
                             : operation == opUpdate ? trigger->tg_newslot
                                                     : nullptr;
    RuleGroup* group = source->group;
    if (source->map != nullptr) {
        if (oldRow != nullptr) oldRow = execute_attr_map_slot(source->map, oldRow, source->oldRow);
        if (newRow != nullptr) newRow = execute_attr_map_slot(source->map, newRow, source->newRow);
    }
    ExprContext* evaluation = group->evaluation;
    evaluation->ecxt_innertuple = oldRow;
    evaluation->ecxt_outertuple = newRow;
    Oid user;
    int securityContext;
    GetUserIdAndSecContext(&user, &securityContext);
    // Expressions are evaluated with the rights of who wrote the rule. After an error the abort restores the user.
    SetUserIdAndSecContext(OidIsValid(group->owner) ? group->owner : user,
                           securityContext | SECURITY_LOCAL_USERID_CHANGE);
    // As handlers do: the writer's search path must not choose what a function of the owner's finds.
    int settingsLevel = usePlainFormats();
    if (group->callsForeign[operation]) {
        if (settingsLevel == 0) settingsLevel = NewGUCNestLevel();
        setLocal("search_path", "pg_catalog, pg_temp");
    }
    Evaluated evaluated = {group, nullptr};
    ErrorContextCallback context = {error_context_stack, describeRule, &evaluated};
    error_context_stack = &context;
    ExprState* anyMatch = settings::logEvents == settings::logAll ? nullptr : group->anyMatch[operation];
    bool match = true;
    if (anyMatch != nullptr) {
        bool isNull;
        Datum value = ExecEvalExprSwitchContext(anyMatch, evaluation, &isNull);
        match = !isNull && DatumGetBool(value);
    }
    if (match) {
        for (int i = 0; i < group->ruleCount; ++i) {
            Rule* rule = group->rules[i];
            if (!rule->enabled || (rule->operations & (1 << operation)) == 0) continue;
            evaluated.rule = rule;
            SetUserIdAndSecContext(rule->captureOwner, securityContext | SECURITY_LOCAL_USERID_CHANGE);
            captureFor(rule, operation, trigger, evaluation);
        }
    }
    error_context_stack = context.previous;
    if (settingsLevel > 0) AtEOXact_GUC(true, settingsLevel);
    SetUserIdAndSecContext(user, securityContext);
    ResetExprContext(evaluation);
}

}  // namespace

SPECQL_FUNCTION(specql_capture)
{
    if (!CALLED_AS_TRIGGER(fcinfo))
        ereport(ERROR,
                (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED), errmsg("specql.capture is a trigger function")));
    const auto* trigger = reinterpret_cast<const TriggerData*>(fcinfo->context);
    if (!TRIGGER_FIRED_AFTER(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("specql.capture must be an AFTER ... FOR EACH ROW trigger")));
    RelationRules* rules = rulesOf(trigger->tg_relation);
    Operation operation = operationOf(trigger->tg_event);
    if (trigger->tg_trigger->tgoid != rules->captureTrigger[operation]) return PointerGetDatum(nullptr);
    for (int i = 0; i < rules->sourceCount; ++i)
        if (rules->sources[i].group->listens[operation]) captureBy(&rules->sources[i], operation, trigger);
    return PointerGetDatum(nullptr);
}

}  // namespace specql::capture
