#include "pg/capture/statement.hpp"

#include "pg/capture/capture.hpp"
#include "pg/capture/triggers.hpp"

namespace specql::capture {

namespace {

ExecutorStart_hook_type nextStart = nullptr;

// In place of the text of a condition. The executor looks whether there is one, and would read it only if it were not
// compiled.
char compiled[] = "";

// May a row match an action of this table? The condition of the trigger of specql.capture in one statement.
struct Condition {
    ExprState state;
    TableListeners* group;
    TriggerDesc* triggers;  // of the statement
};

// What tells the executor that there are triggers to fire at the end of the statement.
bool* firesAfter(TriggerDesc* triggers, Operation operation) {
    return operation == opInsert   ? &triggers->trig_insert_after_statement
           : operation == opUpdate ? &triggers->trig_update_after_statement
                                   : &triggers->trig_delete_after_statement;
}

Datum evaluateCondition(ExprState* state, ExprContext* rows, bool* isNull) {
    auto* condition = static_cast<Condition*>(state->evalfunc_private);
    bool passes = mayMatch(condition->group, rows);
    if (passes) *firesAfter(condition->triggers, operationOf(rows)) = true;
    *isNull = false;
    return BoolGetDatum(passes);
}

// Somebody made the trigger so that it does not fire for every statement, or row, of its operations.
bool isConditional(const Trigger* trigger) {
    return trigger->tgqual != nullptr || trigger->tgnattr > 0;
}

void keepNeeded(TriggerDesc* triggers, const NeededTriggers* needed) {
    for (int i = 0; i < needed->count; ++i)
        triggers->triggers[i] = triggers->triggers[needed->numbers[i]];
    triggers->numtriggers = needed->count;
}

bool captures(const RelationListeners* listeners, const Trigger* trigger) {
    for (Oid captureTrigger : listeners->captureTrigger)
        if (captureTrigger == trigger->tgoid) return true;
    return false;
}

void addCondition(ResultRelInfo* table, const RelationListeners* listeners, MemoryContext context) {
    TriggerDesc* triggers = table->ri_TrigDesc;
    auto* condition = static_cast<Condition*>(MemoryContextAllocZero(context, sizeof(Condition)));
    NodeSetTag(condition, T_ExprState);
    condition->state.flags = EEO_FLAG_IS_QUAL;
    condition->state.evalfunc = evaluateCondition;
    condition->state.evalfunc_private = condition;
    condition->group = listeners->direct;
    condition->triggers = triggers;
    for (int i = 0; i < triggers->numtriggers; ++i) {
        if (!captures(listeners, &triggers->triggers[i])) continue;
        triggers->triggers[i].tgqual = compiled;
        table->ri_TrigWhenExprs[i] = &condition->state;
    }
    for (Operation operation : {opInsert, opUpdate, opDelete})
        if ((listeners->needed.idle & (1 << operation)) != 0) *firesAfter(triggers, operation) = false;
}

void startStatement(QueryDesc* query, int flags) {
    (nextStart != nullptr ? nextStart : standard_ExecutorStart)(query, flags);
    ListCell* cell;
    foreach (cell, query->estate->es_opened_result_relations) {
        auto* table = static_cast<ResultRelInfo*>(lfirst(cell));
        if (table->ri_TrigDesc == nullptr) continue;
        const RelationListeners* listeners = knownListeners(RelationGetRelid(table->ri_RelationDesc));
        if (listeners == nullptr || listeners->needed.of != table->ri_TrigDesc->numtriggers) continue;
        keepNeeded(table->ri_TrigDesc, &listeners->needed);
        if (listeners->needed.filters) addCondition(table, listeners, query->estate->es_query_cxt);
    }
}

}  // namespace

// The trigger of any action handles the events of all, so the first one that fires for an operation is enough.
NeededTriggers neededTriggers(Relation relation, const TriggerDesc* triggers,
                              const Oid captureTrigger[operationCount]) {
    NeededTriggers needed = {0, 0, nullptr, false, 0};
    if (triggers == nullptr) return needed;
    needed.of = triggers->numtriggers;
    needed.numbers = static_cast<int*>(palloc(sizeof(int) * needed.of));
    // The rows of partitions are seen by the actions of other tables, too.
    needed.filters = relation->rd_rel->relkind == RELKIND_RELATION && !relation->rd_rel->relispartition;
    Oid dispatch = specqlFunction("dispatch");
    int covered = 0, others = 0;
    for (int i = 0; i < needed.of; ++i) {
        const Trigger* trigger = &triggers->triggers[i];
        for (int operation = 0; operation < operationCount; ++operation)
            if (trigger->tgoid == captureTrigger[operation] && isConditional(trigger)) needed.filters = false;
        if (trigger->tgfoid == dispatch && !isConditional(trigger)) {
            int operations = firesInThisSession(trigger->tgenabled) ? operationsOf(trigger) : 0;
            if ((operations & ~covered) == 0) continue;
            covered |= operations;
        } else if (TRIGGER_FOR_AFTER(trigger->tgtype) && !TRIGGER_FOR_ROW(trigger->tgtype)) {
            others |= operationsOf(trigger);
        }
        needed.numbers[needed.count++] = i;
    }
    needed.idle = covered & ~others;
    return needed;
}

bool hasPassed(const Trigger* trigger) {
    return trigger->tgqual == compiled;
}

void initStatements() {
    nextStart = ExecutorStart_hook;
    ExecutorStart_hook = startStatement;
}

}  // namespace specql::capture
