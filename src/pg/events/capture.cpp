// specql.capture(): the row trigger that decides which rows are events.
#include "pg/bridge/entry.hpp"
#include "pg/events/event_set.hpp"
#include "pg/events/settings.hpp"

namespace specql {

namespace {

int triggerDepth() {
    LOCAL_FCINFO(call, 0);
    return DatumGetInt32(pg_trigger_depth(call));
}

Operation operationOf(TriggerEvent event) {
    if (TRIGGER_FIRED_BY_INSERT(event))
        return opInsert;
    if (TRIGGER_FIRED_BY_UPDATE(event))
        return opUpdate;
    return opDelete;
}

// Whose condition it was, for the error that one raises: it fails the statement, as a CHECK constraint's would.
struct Evaluated {
    const RuleGroup* group;
    const Rule* rule;   // nullptr: all of the group's
};
void describeRule(void* argument) {
    const auto* evaluated = static_cast<const Evaluated*>(argument);
    if (evaluated->rule != nullptr)
        errcontext("condition or values of action %s", evaluated->rule->action);
    else
        errcontext("conditions of the actions on %s", evaluated->group->rules[0]->entity);
}

void captureFor(Rule* rule, Operation operation, ExprContext* evaluation) {
    CompiledCapture* compiled = rule->compiled[operation];
    int bytes = evaluateBranches(rule, compiled, evaluation);
    if (bytes == 0 && settings::logEvents != settings::logAll)
        return;
    EventSet* set = openEventSet(rule, triggerDepth());
    MemoryContext before = MemoryContextSwitchTo(evaluation->ecxt_per_tuple_memory);
    TupleTableSlot* row = ExecProject(compiled->row);
    row->tts_values[captured::time] = TimestampTzGetDatum(GetCurrentTimestamp());
    row->tts_isnull[captured::time] = false;
    appendEvent(set, row, rule->mask, bytes);
    MemoryContextSwitchTo(before);
}

void captureInGroup(RuleGroup* group, Operation operation, TupleTableSlot* oldRow, TupleTableSlot* newRow,
                    ExprContext* evaluation) {
    if (group->map != nullptr) {
        if (oldRow != nullptr)
            oldRow = execute_attr_map_slot(group->map, oldRow, group->oldRow);
        if (newRow != nullptr)
            newRow = execute_attr_map_slot(group->map, newRow, group->newRow);
    }
    evaluation->ecxt_innertuple = oldRow;
    evaluation->ecxt_outertuple = newRow;
    Oid user;
    int securityContext;
    GetUserIdAndSecContext(&user, &securityContext);
    // Expressions are evaluated with the rights of who wrote the rule. After an error the abort restores the user.
    SetUserIdAndSecContext(OidIsValid(group->owner) ? group->owner : user, securityContext | SECURITY_LOCAL_USERID_CHANGE);
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
            if (rule->compiled[operation] == nullptr)
                continue;
            evaluated.rule = rule;
            SetUserIdAndSecContext(rule->captureOwner, securityContext | SECURITY_LOCAL_USERID_CHANGE);
            captureFor(rule, operation, evaluation);
        }
    }
    error_context_stack = context.previous;
    SetUserIdAndSecContext(user, securityContext);
}

}  // namespace

SPECQL_FUNCTION(specql_capture) {
    if (!CALLED_AS_TRIGGER(fcinfo))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED), errmsg("specql.capture is a trigger function")));
    const auto* trigger = reinterpret_cast<const TriggerData*>(fcinfo->context);
    if (!TRIGGER_FIRED_AFTER(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("specql.capture must be an AFTER … FOR EACH ROW trigger")));
    RelationRules* rules = rulesOf(trigger->tg_relation);
    Operation operation = operationOf(trigger->tg_event);
    TupleTableSlot* oldRow = operation == opInsert ? nullptr : trigger->tg_trigslot;
    TupleTableSlot* newRow = operation == opInsert   ? trigger->tg_trigslot
                             : operation == opUpdate ? trigger->tg_newslot
                                                     : nullptr;
    for (int i = 0; i < rules->groupCount; ++i)
        if (rules->groups[i].listens[operation])
            captureInGroup(&rules->groups[i], operation, oldRow, newRow, rules->evaluation);
    ResetExprContext(rules->evaluation);
    return PointerGetDatum(nullptr);
}

}  // namespace specql
