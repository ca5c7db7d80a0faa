#include "pg/capture/rules.hpp"

#include "pg/bridge/subtransaction.hpp"
#include "pg/capture/compile.hpp"
#include "pg/capture/listeners.hpp"

namespace specql::capture {

namespace {

HTAB* cache = nullptr;
RelationRules* lastUsed = nullptr;
List* outdated = NIL;      // memory contexts of replaced entries, freed when nothing can point into them
bool someInvalid = false;  // an entry is; its relation may be gone for good
uint64_t changes = 0;      // counts invalidations, so that one that arrives during a build is not lost

// ---- reading the triggers ------------------------------------------------------------------------------------------

bool firesNow(char enabled) {
    if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
        return enabled == TRIGGER_FIRES_ON_REPLICA || enabled == TRIGGER_FIRES_ALWAYS;
    return enabled == TRIGGER_FIRES_ON_ORIGIN || enabled == TRIGGER_FIRES_ALWAYS;
}

Oid ownFunction(const char* name) {
    return LookupFuncName(list_make2(makeString(pstrdup("specql")), makeString(pstrdup(name))), 0, nullptr, false);
}

Rule* ruleOfTrigger(Relation relation, const Trigger* trigger, MemoryContext context) {
    if (trigger->tgnargs != 5)
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                 errmsg("trigger \"%s\" of table \"%s\" must give specql.dispatch five arguments: action, handler, "
                        "capture function, event, on_error",
                        trigger->tgname, RelationGetRelationName(relation))));
    Rule* rule = static_cast<Rule*>(palloc0(sizeof(Rule)));
    const char* schema = get_namespace_name(RelationGetNamespace(relation));
    rule->trigger = trigger->tgoid;
    rule->action = pstrdup(trigger->tgargs[0]);
    rule->handlerName = pstrdup(trigger->tgargs[1]);
    rule->entity = psprintf("%s.%s", schema, RelationGetRelationName(relation));
    rule->eventType = psprintf("%s.%s", rule->entity, trigger->tgargs[3]);
    rule->relation = RelationGetRelid(relation);
    if (TRIGGER_FOR_INSERT(trigger->tgtype)) rule->operations |= 1 << opInsert;
    if (TRIGGER_FOR_UPDATE(trigger->tgtype)) rule->operations |= 1 << opUpdate;
    if (TRIGGER_FOR_DELETE(trigger->tgtype)) rule->operations |= 1 << opDelete;
    rule->enabled = firesNow(trigger->tgenabled);
    rule->abortOnError = strcmp(trigger->tgargs[4], "abort") == 0;
    rule->context = context;
    return rule;
}

int byAge(const ListCell* left, const ListCell* right) {
    Oid one = static_cast<const Trigger*>(lfirst(left))->tgoid;
    Oid other = static_cast<const Trigger*>(lfirst(right))->tgoid;
    return one < other ? -1 : one > other;
}

// The triggers with a function, the oldest first: whoever adds another one for the same does not take its place.
List* triggersByAge(TriggerDesc* triggers, Oid function) {
    List* found = NIL;
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; ++i)
        if (triggers->triggers[i].tgfoid == function) found = lappend(found, &triggers->triggers[i]);
    list_sort(found, byAge);
    return found;
}

// The oldest trigger of specql.capture that fires for an operation.
void findCaptureTriggers(Relation relation, Oid found[operationCount]) {
    ListCell* cell;
    foreach (cell, triggersByAge(relation->trigdesc, ownFunction("capture"))) {
        const auto* trigger = static_cast<const Trigger*>(lfirst(cell));
        if (!firesNow(trigger->tgenabled)) continue;
        const bool fires[operationCount] = {TRIGGER_FOR_INSERT(trigger->tgtype) != 0,
                                            TRIGGER_FOR_UPDATE(trigger->tgtype) != 0,
                                            TRIGGER_FOR_DELETE(trigger->tgtype) != 0};
        for (int operation = 0; operation < operationCount; ++operation)
            if (fires[operation] && !OidIsValid(found[operation])) found[operation] = trigger->tgoid;
    }
}

// One that another trigger has run already.
bool isRepeated(const RuleGroup* group, const Rule* rule) {
    for (int i = 0; i < group->ruleCount; ++i)
        if (strcmp(group->rules[i]->action, rule->action) == 0 &&
            strcmp(group->rules[i]->handlerName, rule->handlerName) == 0)
            return true;
    return false;
}

// Nothing runs for it; but an invariant that does not hold is worse than a statement that fails.
void passOver(const Rule* rule, const Trigger* trigger) {
    if (!rule->enabled) return;
    ereport(rule->abortOnError ? ERROR : WARNING,
            (errcode(ERRCODE_UNDEFINED_OBJECT),
             errmsg("trigger \"%s\" of %s is not that of a registered action%s", trigger->tgname, rule->entity,
                    rule->abortOnError ? "" : ", and runs nothing"),
             errhint("Drop it, or apply the spec of action %s again.", rule->action)));
}

// ---- groups
// ----------------------------------------------------------------------------------------------------------

// One expression for all branches of all rules lets the executor fetch a row's columns once and stop at the first
// match.
ExprState* combine(RuleGroup* group, List** conditions, Operation operation) {
    if (!OidIsValid(group->owner) || conditions[operation] == NIL) return nullptr;
    List* arguments = NIL;
    ListCell* cell;
    foreach (cell, conditions[operation]) {
        Node* condition = static_cast<Node*>(lfirst(cell));
        if (condition == nullptr) return nullptr;
        if (IsA(condition, Const)) {
            Const* constant = reinterpret_cast<Const*>(condition);
            if (constant->constisnull || !DatumGetBool(constant->constvalue)) continue;
            return nullptr;
        }
        arguments = lappend(arguments, condition);
    }
    Expr* any = arguments == NIL              ? reinterpret_cast<Expr*>(makeBoolConst(false, false))
                : list_length(arguments) == 1 ? static_cast<Expr*>(linitial(arguments))
                                              : makeBoolExpr(OR_EXPR, arguments, -1);
    return initExpression(any, group->owner);
}

// A capture function that was dropped, renamed or replaced by something unfit is the failure of its rule, not of every
// statement on the table; for an invariant it is.
void compileRule(Rule* rule, const char* captureName, Relation relation, ExprContext* evaluation,
                 List* conditions[operationCount]) {
    if (rule->abortOnError) {
        compileCapture(rule, captureName, relation, evaluation, conditions);
        return;
    }
    rule->broken = trySubtransaction([rule, captureName, relation, evaluation, conditions] {
        compileCapture(rule, captureName, relation, evaluation, conditions);
    });
    if (rule->broken == nullptr) return;
    rule->shape = makeShape(0);
    rule->captureOwner = relation->rd_rel->relowner;
    for (int operation = 0; operation < operationCount; ++operation) {
        rule->compiled[operation] = nullptr;
        if (rule->operations & (1 << operation)) conditions[operation] = lappend(conditions[operation], nullptr);
    }
}

RuleGroup* buildGroup(Relation relation, MemoryContext context) {
    auto* group = static_cast<RuleGroup*>(palloc0(sizeof(RuleGroup)));
    group->relation = RelationGetRelid(relation);
    TriggerDesc* triggers = relation->trigdesc;
    if (triggers == nullptr) return group;
    group->evaluation = CreateStandaloneExprContext();
    group->rules = static_cast<Rule**>(palloc(sizeof(Rule*) * triggers->numtriggers));
    Oid dispatch = ownFunction("dispatch");
    List* conditions[operationCount] = {NIL, NIL, NIL};
    bool sameOwner = true;
    ListCell* cell;
    foreach (cell, triggersByAge(triggers, dispatch)) {
        const auto* trigger = static_cast<const Trigger*>(lfirst(cell));
        Rule* rule = ruleOfTrigger(relation, trigger, context);
        if (isRepeated(group, rule) || !isRegistered(rule, trigger->tgargs[2], relation)) {
            passOver(rule, trigger);
            continue;
        }
        if (rule->enabled) {
            compileRule(rule, trigger->tgargs[2], relation, group->evaluation, conditions);
            if (!OidIsValid(group->owner))
                group->owner = rule->captureOwner;
            else if (group->owner != rule->captureOwner)
                sameOwner = false;
            for (int operation = 0; operation < operationCount; ++operation)
                if (rule->operations & (1 << operation)) {
                    const CompiledCapture* compiled = rule->compiled[operation];
                    group->listens[operation] = true;
                    group->callsForeign[operation] |= compiled != nullptr && compiled->callsForeign;
                }
        }
        rule->number = static_cast<int>(trigger - triggers->triggers);
        group->rules[group->ruleCount++] = rule;
    }
    if (!sameOwner) group->owner = InvalidOid;
    for (int operation = 0; operation < operationCount; ++operation)
        group->anyMatch[operation] = combine(group, conditions, static_cast<Operation>(operation));
    return group;
}

void addSource(RelationRules* entry, RuleGroup* group, Relation rowRelation, Relation relation) {
    if (group->ruleCount == 0) return;
    RuleSource* source = &entry->sources[entry->sourceCount++];
    source->group = group;
    if (rowRelation == relation) return;
    TupleConversionMap* map = convert_tuples_by_name(RelationGetDescr(rowRelation), RelationGetDescr(relation));
    if (map == nullptr) return;
    TupleDesc descriptor = CreateTupleDescCopy(RelationGetDescr(relation));
    source->map = map->attrMap;
    source->oldRow = MakeSingleTupleTableSlot(descriptor, &TTSOpsVirtual);
    source->newRow = MakeSingleTupleTableSlot(descriptor, &TTSOpsVirtual);
}

// ---- entries
// ---------------------------------------------------------------------------------------------------------

void buildEntry(RelationRules* entry, Relation relation) {
    // Built under a context that an error takes away, and made permanent at the end.
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "specql rules", ALLOCSET_SMALL_SIZES);
    MemoryContext before = MemoryContextSwitchTo(context);
    uint64_t changesBefore = changes;
    RelationRules built;
    memset(&built, 0, sizeof built);
    built.relation = RelationGetRelid(relation);
    built.context = context;
    built.replicationRole = SessionReplicationRole;
    List* ancestors = relation->rd_rel->relispartition ? get_partition_ancestors(built.relation) : NIL;
    built.sources = static_cast<RuleSource*>(palloc0(sizeof(RuleSource) * (list_length(ancestors) + 1)));
    built.dependencies = lappend_oid(NIL, built.relation);
    findCaptureTriggers(relation, built.captureTrigger);
    built.own = buildGroup(relation, context);
    addSource(&built, built.own, relation, relation);
    ListCell* cell;
    foreach (cell, ancestors) {
        // Rows written straight to a partition do not lock the tables above it.
        Relation ancestor = table_open(lfirst_oid(cell), AccessShareLock);
        built.dependencies = lappend_oid(built.dependencies, RelationGetRelid(ancestor));
        addSource(&built, rulesOf(ancestor)->own, relation, ancestor);
        table_close(ancestor, NoLock);
    }
    built.valid = changes == changesBefore;
    MemoryContextSwitchTo(before);
    MemoryContextSetParent(context, CacheMemoryContext);
    *entry = built;
}

void invalidate(Oid relation) {
    HASH_SEQ_STATUS scan;
    hash_seq_init(&scan, cache);
    while (auto* entry = static_cast<RelationRules*>(hash_seq_search(&scan)))
        if (!OidIsValid(relation) || list_member_oid(entry->dependencies, relation)) entry->valid = false;
    someInvalid = true;
}

void retire(RelationRules* entry) {
    if (entry->context == nullptr) return;
    // Partitions point to the rules of the tables above them.
    invalidate(entry->relation);
    MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
    outdated = lappend(outdated, entry->context);
    MemoryContextSwitchTo(before);
    entry->context = nullptr;
    entry->dependencies = NIL;
}

// Runs inside invalidation processing: it may only mark.
void relationChanged(Datum, Oid relation) {
    ++changes;
    if (cache != nullptr) invalidate(relation == registryTable() ? InvalidOid : relation);
}

// A changed function may be a capture function, a handler, or inlined in an expression; a changed role may have rights
// no more.
void functionChanged(Datum, int, uint32) {
    relationChanged(0, InvalidOid);
}

}  // namespace

RelationRules* rulesOf(Relation relation) {
    Oid oid = RelationGetRelid(relation);
    if (lastUsed != nullptr && lastUsed->relation == oid && lastUsed->valid &&
        lastUsed->replicationRole == SessionReplicationRole)
        return lastUsed;
    if (cache == nullptr) {
        HASHCTL control;
        memset(&control, 0, sizeof control);
        control.keysize = sizeof(Oid);
        control.entrysize = sizeof(RelationRules);
        control.hcxt = CacheMemoryContext;
        cache = hash_create("specql rules", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
    }
    bool found;
    auto* entry = static_cast<RelationRules*>(hash_search(cache, &oid, HASH_ENTER, &found));
    if (!found) {
        memset(entry, 0, sizeof *entry);
        entry->relation = oid;
    }
    if (!entry->valid || entry->replicationRole != SessionReplicationRole) {
        entry->valid = false;
        retire(entry);
        buildEntry(entry, relation);
    }
    lastUsed = entry;
    return entry;
}

Rule* findRule(Relation relation, const char* action, const char* eventType) {
    RuleGroup* own = rulesOf(relation)->own;
    Rule* found = nullptr;
    for (int i = 0; i < own->ruleCount; ++i) {
        Rule* rule = own->rules[i];
        if (strcmp(rule->action, action) != 0) continue;
        if (found == nullptr || (eventType != nullptr && strcmp(rule->eventType, eventType) == 0)) found = rule;
    }
    return found;
}

Rule* makeListener(MemoryContext context, const char* action, const char* event, const char* handler,
                   bool abortOnError) {
    MemoryContext before = MemoryContextSwitchTo(context);
    Rule* rule = static_cast<Rule*>(palloc0(sizeof(Rule)));
    rule->action = pstrdup(action);
    rule->handlerName = pstrdup(handler);
    rule->eventType = pstrdup(event);
    rule->enabled = true;
    rule->abortOnError = abortOnError;
    rule->context = context;
    rule->shape = makeShape(0);
    MemoryContextSwitchTo(before);
    return rule;
}

// A handler that is not SECURITY DEFINER must not get the rights of whoever writes or drains: all run as their owners,
// who are asked each time they are looked up, because a function that is dropped leaves its name to others.
void prepareHandler(Rule* rule) {
    if (OidIsValid(rule->handler.fn_oid)) return;
    // Functions of triggers and listeners take no arguments.
    Oid function = LookupFuncName(compat::nameParts(rule->handlerName), 0, nullptr, false);
    Oid owner = functionOwner(function);
    if (OidIsValid(rule->trigger)) {
        Relation relation = table_open(rule->relation, AccessShareLock);
        requireRightsOver(relation, owner, "handler");
        table_close(relation, NoLock);
    } else if (owner != rule->owner) {
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                        errmsg("handler %s does not belong to the owner of action %s", rule->handlerName, rule->action),
                        errhint("Apply the spec of the action again.")));
    }
    rule->handlerUser = owner;
    fmgr_info_cxt(function, &rule->handler, rule->context);
}

void registerRuleInvalidation() {
    CacheRegisterRelcacheCallback(relationChanged, 0);
    CacheRegisterSyscacheCallback(PROCOID, functionChanged, 0);
    // Functions are found by name.
    CacheRegisterSyscacheCallback(NAMESPACEOID, functionChanged, 0);
    CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, functionChanged, 0);
}

void freeOutdatedRules() {
    // Entries that are needed again are built again; those of dropped tables and partitions would stay for ever. What
    // depends on an invalid entry is invalid too, so nothing points into what is freed.
    if (someInvalid && cache != nullptr) {
        HASH_SEQ_STATUS scan;
        hash_seq_init(&scan, cache);
        while (auto* entry = static_cast<RelationRules*>(hash_seq_search(&scan))) {
            if (entry->valid) continue;
            if (entry->context != nullptr) MemoryContextDelete(entry->context);
            hash_search(cache, &entry->relation, HASH_REMOVE, nullptr);
        }
        lastUsed = nullptr;
    }
    someInvalid = false;
    ListCell* cell;
    foreach (cell, outdated)
        MemoryContextDelete(static_cast<MemoryContext>(lfirst(cell)));
    list_free(outdated);
    outdated = NIL;
}

}  // namespace specql::capture
