#include "pg/capture/table_listeners.hpp"

#include "pg/base/tables.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/bridge/subtransaction.hpp"
#include "pg/capture/compile.hpp"
#include "pg/capture/statement.hpp"
#include "pg/capture/triggers.hpp"

extern "C" {
#include "optimizer/prep.h"
}

namespace specql::capture {

namespace {

// What the cache knows of a relation. An invalidation marks the listeners as out of date, and leaves them where they
// are: whoever uses them goes on. The next one who asks gets others.
struct Entry {
    Oid relation;                  // hash key
    RelationListeners* listeners;  // nullptr until they are built
};

HTAB* cache = nullptr;
RelationListeners* lastUsed = nullptr;
List* outdated = NIL;         // memory contexts of replaced listeners, freed when nothing can point into them
bool someInvalid = false;     // some listeners of the cache are; their relation may have been dropped
bool ofOtherVersion = false;  // some listeners were made when the catalog was; nothing tells of its update
uint64_t changes = 0;         // counts invalidations, so that one that arrives during a build is not lost

// ---- groups ---------------------------------------------------------------------------------------------------------

// Joins the conditions of all listeners by OR, so that the executor fetches the row's columns once and stops at the
// first match; nullptr if some listener must be evaluated by itself.
ExprState* combineConditions(TableListeners* group, List** conditions, Operation operation) {
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
    // What all of them say, as that a column has changed, is asked once.
    return initExpression(canonicalize_qual(any, false), group->owner);
}

// A capture function that was dropped, renamed or replaced by an unusable one makes the events of its action fail, but
// not the statements on the table; unless the action has on_error = abort and listens to what they do. So does a
// catalog of another version, between the installation of a library and ALTER EXTENSION specql UPDATE.
void compileListener(Listener* listener, const char* captureName, Relation relation, ExprContext* evaluation,
                     List* conditions[operationCount]) {
    ErrorData* error = trySubtransaction([listener, captureName, relation, evaluation, conditions] {
        requireMatchingVersion();
        compileCapture(listener, captureName, relation, evaluation, conditions);
    });
    listener->captureError = error;
    if (error == nullptr) return;
    if (!listener->abortOnError) error->sqlerrcode = sqlstate::actionBroken;
    listener->rowDescriptor = makeRowDescriptor(0);
    listener->captureOwner = relation->rd_rel->relowner;
    for (int operation = 0; operation < operationCount; ++operation) {
        listener->compiled[operation] = nullptr;
        if (listener->operations & (1 << operation)) conditions[operation] = lappend(conditions[operation], nullptr);
    }
}

TableListeners* buildGroup(Relation relation, const TriggerDesc* triggers) {
    auto* group = static_cast<TableListeners*>(palloc0(sizeof(TableListeners)));
    group->relation = RelationGetRelid(relation);
    if (triggers == nullptr) return group;
    group->evaluation = CreateStandaloneExprContext();
    group->beforehand = CreateStandaloneExprContext();
    group->listeners = static_cast<Listener**>(palloc(sizeof(Listener*) * triggers->numtriggers));
    Oid dispatch = specqlFunction("dispatch");
    List* registrations = registrationsOn(relation, triggers, dispatch);
    List* conditions[operationCount] = {NIL, NIL, NIL, NIL};
    bool sameOwner = true;
    ofOtherVersion = ofOtherVersion || !hasMatchingVersion();
    for (int i = 0; i < triggers->numtriggers; ++i) {
        const Trigger* trigger = &triggers->triggers[i];
        if (trigger->tgfoid != dispatch) continue;
        const TableRegistration* registered = registrationOf(registrations, trigger, relation);
        if (registered == nullptr) continue;
        Listener* listener = makeTableListener(registered, trigger, relation);
        listener->triggerNumber = i;
        group->listeners[group->count++] = listener;
        if (!listener->enabled) continue;
        compileListener(listener, registered->capture, relation, group->evaluation, conditions);
        if (!OidIsValid(group->owner))
            group->owner = listener->captureOwner;
        else if (group->owner != listener->captureOwner)
            sameOwner = false;
        for (int operation = 0; operation < operationCount; ++operation)
            if (listener->operations & (1 << operation)) {
                const CompiledCapture* compiled = listener->compiled[operation];
                group->listens[operation] = true;
                group->callsForeign[operation] |= compiled != nullptr && compiled->callsForeign;
            }
    }
    if (!sameOwner) group->owner = InvalidOid;
    for (int operation = 0; operation < operationCount; ++operation)
        group->anyMatch[operation] = combineConditions(group, conditions, static_cast<Operation>(operation));
    return group;
}

void addSource(RelationListeners* listeners, TableListeners* group, Relation rowRelation, Relation relation) {
    if (group->count == 0) return;
    ListenerSource* source = &listeners->sources[listeners->sourceCount++];
    source->group = group;
    if (rowRelation == relation) return;
    TupleConversionMap* map = convert_tuples_by_name(RelationGetDescr(rowRelation), RelationGetDescr(relation));
    if (map == nullptr) return;
    TupleDesc descriptor = CreateTupleDescCopy(RelationGetDescr(relation));
    source->map = map->attrMap;
    source->oldRow = MakeSingleTupleTableSlot(descriptor, &TTSOpsVirtual);
    source->newRow = MakeSingleTupleTableSlot(descriptor, &TTSOpsVirtual);
}

// ---- entries --------------------------------------------------------------------------------------------------------

RelationListeners* build(Relation relation) {
    // Built under a context that an error takes away, and made permanent at the end.
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "specql listeners", ALLOCSET_SMALL_SIZES);
    MemoryContext before = MemoryContextSwitchTo(context);
    uint64_t changesBefore = changes;
    auto* built = static_cast<RelationListeners*>(palloc0(sizeof(RelationListeners)));
    built->relation = RelationGetRelid(relation);
    built->context = context;
    built->replicationRole = SessionReplicationRole;
    List* ancestors = relation->rd_rel->relispartition ? get_partition_ancestors(built->relation) : NIL;
    built->sources = static_cast<ListenerSource*>(palloc0(sizeof(ListenerSource) * (list_length(ancestors) + 1)));
    built->dependencies = list_make2_oid(built->relation, tableOid("action"));
    TriggerDesc* triggers = triggersOf(relation);
    findCaptureTriggers(triggers, built->captureTrigger);
    built->needed = neededTriggers(relation, triggers, built->captureTrigger);
    built->direct = buildGroup(relation, triggers);
    FreeTriggerDesc(triggers);
    addSource(built, built->direct, relation, relation);
    ListCell* cell;
    foreach (cell, ancestors) {
        // A statement that names the partition itself holds no lock on the tables above it.
        Relation ancestor = table_open(lfirst_oid(cell), AccessShareLock);
        built->dependencies = lappend_oid(built->dependencies, RelationGetRelid(ancestor));
        addSource(built, relationListeners(ancestor)->direct, relation, ancestor);
        table_close(ancestor, NoLock);
    }
    built->valid = changes == changesBefore;
    MemoryContextSwitchTo(before);
    MemoryContextSetParent(context, CacheMemoryContext);
    return built;
}

void invalidate(Oid relation) {
    HASH_SEQ_STATUS scan;
    hash_seq_init(&scan, cache);
    while (const auto* entry = static_cast<Entry*>(hash_seq_search(&scan))) {
        RelationListeners* listeners = entry->listeners;
        if (listeners != nullptr && (!OidIsValid(relation) || list_member_oid(listeners->dependencies, relation)))
            listeners->valid = false;
    }
    someInvalid = true;
}

void retire(Entry* entry) {
    if (entry->listeners == nullptr) return;
    // Those of partitions point into those of the tables above them.
    invalidate(entry->relation);
    MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
    outdated = lappend(outdated, entry->listeners->context);
    MemoryContextSwitchTo(before);
    entry->listeners = nullptr;
}

bool isUsable(const RelationListeners* listeners) {
    return listeners != nullptr && listeners->valid && listeners->replicationRole == SessionReplicationRole;
}

// Called while invalidations are processed, where no catalog may be read: listeners are only marked as out of date.
void relationChanged(Datum, Oid relation) {
    ++changes;
    if (cache != nullptr) invalidate(relation);
}

// Also called for changed roles and schemas. The function may be a capture function, a handler, or inlined into any
// expression, so all listeners are out of date.
void functionChanged(Datum, int, uint32) {
    relationChanged(0, InvalidOid);
}

Entry* entryOf(Oid relation) {
    if (cache == nullptr) {
        HASHCTL control;
        memset(&control, 0, sizeof control);
        control.keysize = sizeof(Oid);
        control.entrysize = sizeof(Entry);
        control.hcxt = CacheMemoryContext;
        cache = hash_create("specql listeners", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
    }
    bool found;
    auto* entry = static_cast<Entry*>(hash_search(cache, &relation, HASH_ENTER, &found));
    if (!found) entry->listeners = nullptr;
    return entry;
}

}  // namespace

const RelationListeners* relationListeners(Relation relation) {
    Oid oid = RelationGetRelid(relation);
    if (isUsable(lastUsed) && lastUsed->relation == oid) return lastUsed;
    Entry* entry = entryOf(oid);
    if (!isUsable(entry->listeners)) {
        RelationListeners* built = build(relation);
        // To compile an expression may have run code of a role, which asked for the same.
        retire(entry);
        entry->listeners = built;
    }
    lastUsed = entry->listeners;
    return lastUsed;
}

const RelationListeners* knownListeners(Oid relation) {
    if (cache == nullptr) return nullptr;
    const auto* entry = static_cast<Entry*>(hash_search(cache, &relation, HASH_FIND, nullptr));
    return entry != nullptr && isUsable(entry->listeners) ? entry->listeners : nullptr;
}

Listener* findListener(Relation relation, const char* action, const char* eventType) {
    TableListeners* direct = relationListeners(relation)->direct;
    Listener* found = nullptr;
    for (int i = 0; i < direct->count; ++i) {
        Listener* listener = direct->listeners[i];
        if (strcmp(listener->action, action) != 0) continue;
        if (found == nullptr || (eventType != nullptr && strcmp(listener->eventType, eventType) == 0)) found = listener;
    }
    return found;
}

namespace {

Listener* compileAnswerListener(TableListeners* group, const TableRegistration* registered, Relation relation) {
    Listener* listener = makeAnswerListener(registered, relation);
    if (group->evaluation == nullptr) group->evaluation = CreateStandaloneExprContext();
    List* conditions[operationCount] = {NIL, NIL, NIL, NIL};
    requireMatchingVersion();
    compileCapture(listener, registered->capture, relation, group->evaluation, conditions);
    return listener;
}

}  // namespace

Listener* findAnswerListener(Relation relation, const char* action, const char* event) {
    const RelationListeners* listeners = relationListeners(relation);
    TableListeners* group = listeners->direct;
    ListCell* cell;
    foreach (cell, group->answers) {
        auto* known = static_cast<Listener*>(lfirst(cell));
        if (strcmp(known->action, action) == 0 && strcmp(known->eventType, event) == 0) return known;
    }
    MemoryContext before = MemoryContextSwitchTo(listeners->context);
    Listener* listener = nullptr;
    if (const TableRegistration* registered = answerRegistration(relation, action, event)) {
        listener = compileAnswerListener(group, registered, relation);
        group->answers = lappend(group->answers, listener);
    }
    MemoryContextSwitchTo(before);
    return listener;
}

Listener* makeEventListener(MemoryContext context, const char* action, const char* event, const char* handler,
                            bool abortOnError) {
    MemoryContext before = MemoryContextSwitchTo(context);
    Listener* listener = static_cast<Listener*>(palloc0(sizeof(Listener)));
    listener->action = pstrdup(action);
    listener->handlerName = pstrdup(handler);
    listener->eventType = pstrdup(event);
    listener->enabled = true;
    listener->abortOnError = abortOnError;
    listener->context = context;
    listener->rowDescriptor = makeRowDescriptor(0);
    MemoryContextSwitchTo(before);
    return listener;
}

namespace {

// Handlers run as their owners, whether or not they are SECURITY DEFINER: they must not get the rights of the session
// that writes or drains. The owner is checked whenever the name is looked up, because after a DROP FUNCTION another
// role may create a function of that name.
void lookUpHandler(Listener* listener) {
    // Handlers have no arguments, whether they are trigger functions or not.
    Oid function = LookupFuncName(compat::nameParts(listener->handlerName), 0, nullptr, false);
    Oid owner = functionOwner(function);
    if (OidIsValid(listener->relation)) {
        Relation relation = table_open(listener->relation, AccessShareLock);
        requireRightsOver(relation, owner, "handler");
        table_close(relation, NoLock);
    } else if (owner != listener->owner) {
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                        errmsg("handler %s does not belong to the owner of action %s", listener->handlerName,
                               listener->action),
                        errhint("Apply the spec of the action again.")));
    }
    listener->handlerOwner = owner;
    fmgr_info_cxt(function, &listener->handler, listener->context);
}

}  // namespace

void prepareHandler(Listener* listener) {
    if (OidIsValid(listener->handler.fn_oid)) return;
    ErrorData* error = trySubtransaction([listener] { lookUpHandler(listener); });
    if (error == nullptr) return;
    if (!listener->abortOnError) error->sqlerrcode = sqlstate::actionBroken;
    ReThrowError(error);
}

void registerListenerInvalidation() {
    CacheRegisterRelcacheCallback(relationChanged, 0);
    CacheRegisterSyscacheCallback(PROCOID, functionChanged, 0);
    // Functions are found by schema and name.
    CacheRegisterSyscacheCallback(NAMESPACEOID, functionChanged, 0);
    CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, functionChanged, 0);
    // Casts to json decide what the images of rows are.
    CacheRegisterSyscacheCallback(CASTSOURCETARGET, functionChanged, 0);
}

void freeOutdatedListeners() {
    if (ofOtherVersion && cache != nullptr) invalidate(InvalidOid);
    ofOtherVersion = false;
    // What is invalid is removed, because listeners of dropped tables would never be rebuilt. Whatever points into them
    // depends on them and is invalid too, so no pointer into freed memory remains.
    if (someInvalid && cache != nullptr) {
        HASH_SEQ_STATUS scan;
        hash_seq_init(&scan, cache);
        while (auto* entry = static_cast<Entry*>(hash_seq_search(&scan))) {
            if (entry->listeners != nullptr && entry->listeners->valid) continue;
            if (entry->listeners != nullptr) MemoryContextDelete(entry->listeners->context);
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
