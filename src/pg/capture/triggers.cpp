#include "pg/capture/triggers.hpp"

#include "pg/base/tables.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/capture/compile.hpp"

namespace specql::capture {

namespace {

bool hasActionTrigger(const TriggerDesc* triggers, Oid dispatch, const char* name) {
    for (int i = 0; i < triggers->numtriggers; ++i)
        if (triggers->triggers[i].tgfoid == dispatch && strcmp(triggers->triggers[i].tgname, name) == 0) return true;
    return false;
}

bool isNamed(Relation relation, const char* name) {
    return strcmp(quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
                                             RelationGetRelationName(relation)),
                  name) == 0;
}

// Is the action with this capture function, registered for the table of this name, one for the rows of `relation`? The
// function refers to its table by OID, so a renamed table is still recognised. If the function is not found, as after
// the rename of its schema, the events are captured as failures instead of being lost.
bool isFor(Relation relation, const char* capture, const char* table) {
    Oid function = findCaptureFunction(capture, relation);
    CaptureTarget target = OidIsValid(function) ? captureTargetOf(function, relation) : CaptureTarget::table;
    return target == CaptureTarget::table || (target == CaptureTarget::unknown && isNamed(relation, table));
}

TableRegistration* readRegistration(HeapTuple tuple, TupleDesc descriptor, const char* trigger) {
    auto* registered = static_cast<TableRegistration*>(palloc(sizeof(TableRegistration)));
    registered->trigger = trigger != nullptr ? pstrdup(trigger) : nullptr;
    registered->action = textAt(tuple, descriptor, "action");
    registered->event = textAt(tuple, descriptor, "event");
    registered->handler = textAt(tuple, descriptor, "handler");
    registered->capture = textAt(tuple, descriptor, "capture");
    registered->abortOnError = strcmp(textAt(tuple, descriptor, "on_error"), "abort") == 0;
    return registered;
}

// Calls `read` with each row of specql.action, in a memory context that is then reset; it returns whether to go on.
template <typename Read>
void readActions(Read&& read) {
    MemoryContext result = CurrentMemoryContext;
    MemoryContext scratch = AllocSetContextCreate(result, "specql registrations", ALLOCSET_SMALL_SIZES);
    Relation table = table_open(tableOid("action"), AccessShareLock);
    TupleDesc descriptor = RelationGetDescr(table);
    Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
    TableScanDesc scan = table_beginscan(table, snapshot, 0, nullptr);
    TupleTableSlot* slot = table_slot_create(table, nullptr);
    bool goOn = true;
    while (goOn && table_scan_getnextslot(scan, ForwardScanDirection, slot)) {
        MemoryContextSwitchTo(scratch);
        bool owned;
        goOn = read(ExecFetchSlotHeapTuple(slot, false, &owned), descriptor);
        MemoryContextSwitchTo(result);
        MemoryContextReset(scratch);
    }
    ExecDropSingleTupleTableSlot(slot);
    table_endscan(scan);
    UnregisterSnapshot(snapshot);
    table_close(table, AccessShareLock);
    MemoryContextDelete(scratch);
}

// Was the trigger made for an action with on_error = abort? It says so itself, because it may have lost its action.
bool saysAbort(const Trigger* trigger) {
    return trigger->tgnargs > 0 && strcmp(trigger->tgargs[trigger->tgnargs - 1], "abort") == 0;
}

}  // namespace

TriggerDesc* triggersOf(Relation relation) {
    return CopyTriggerDesc(relation->trigdesc);
}

char* triggerNameOf(const char* capture) {
    constexpr char captures[] = "_capture", fires[] = "_trigger";
    static_assert(sizeof captures == sizeof fires);
    char* name = pstrdup(strVal(llast(compat::nameParts(capture))));
    size_t length = strlen(name), ending = strlen(captures);
    if (length > ending && strcmp(name + length - ending, captures) == 0) strcpy(name + length - ending, fires);
    return name;
}

Oid specqlFunction(const char* name) {
    return LookupFuncName(list_make2(makeString(pstrdup("specql")), makeString(pstrdup(name))), 0, nullptr, false);
}

// Scans the table instead of using SQL, because whoever writes a row needs no right to read specql.action. Every
// version of specql had the columns that are read here, and names its triggers so.
List* registrationsOn(Relation relation, const TriggerDesc* triggers, Oid dispatch) {
    List* found = NIL;
    MemoryContext result = CurrentMemoryContext;
    readActions([relation, triggers, dispatch, result, &found](HeapTuple tuple, TupleDesc descriptor) {
        const char* capture = textAt(tuple, descriptor, "capture");
        const char* trigger = capture != nullptr ? triggerNameOf(capture) : nullptr;
        if (trigger == nullptr || !hasActionTrigger(triggers, dispatch, trigger) ||
            !isFor(relation, capture, textAt(tuple, descriptor, "relation")))
            return true;
        MemoryContextSwitchTo(result);
        found = lappend(found, readRegistration(tuple, descriptor, trigger));
        return true;
    });
    return found;
}

TableRegistration* answerRegistration(Relation relation, const char* action, const char* event) {
    TableRegistration* found = nullptr;
    MemoryContext result = CurrentMemoryContext;
    const char* part = psprintf("%s%s", answerPart, event);
    readActions([relation, action, part, result, &found](HeapTuple tuple, TupleDesc descriptor) {
        const char* capture = textAt(tuple, descriptor, "capture");
        if (capture == nullptr || strcmp(textAt(tuple, descriptor, "action"), action) != 0 ||
            strcmp(textAt(tuple, descriptor, "part"), part) != 0 ||
            !isFor(relation, capture, textAt(tuple, descriptor, "relation")))
            return true;
        MemoryContextSwitchTo(result);
        found = readRegistration(tuple, descriptor, nullptr);
        return false;
    });
    return found;
}

const TableRegistration* registrationOf(const List* registrations, const Trigger* trigger, Relation relation) {
    ListCell* cell;
    foreach (cell, registrations) {
        const auto* registered = static_cast<const TableRegistration*>(lfirst(cell));
        if (strcmp(registered->trigger, trigger->tgname) == 0) return registered;
    }
    if (firesInThisSession(trigger->tgenabled))
        ereport(saysAbort(trigger) ? ERROR : WARNING,
                (errcode(ERRCODE_UNDEFINED_OBJECT),
                 errmsg("trigger \"%s\" of %s.%s is not that of a registered action%s", trigger->tgname,
                        get_namespace_name(RelationGetNamespace(relation)), RelationGetRelationName(relation),
                        saysAbort(trigger) ? "" : ", and runs nothing"),
                 errhint("Drop it, or apply the spec of its action again.")));
    return nullptr;
}

Listener* makeTableListener(const TableRegistration* registered, const Trigger* trigger, Relation relation) {
    auto* listener = static_cast<Listener*>(palloc0(sizeof(Listener)));
    const char* schema = get_namespace_name(RelationGetNamespace(relation));
    listener->trigger = trigger->tgoid;
    listener->action = registered->action;
    listener->handlerName = registered->handler;
    listener->entity = psprintf("%s.%s", schema, RelationGetRelationName(relation));
    listener->eventType = psprintf("%s.%s", listener->entity, registered->event);
    listener->relation = RelationGetRelid(relation);
    listener->operations = operationsOf(trigger);
    listener->enabled = firesInThisSession(trigger->tgenabled);
    listener->abortOnError = registered->abortOnError;
    listener->context = CurrentMemoryContext;
    return listener;
}

Listener* makeAnswerListener(const TableRegistration* registered, Relation relation) {
    auto* listener = static_cast<Listener*>(palloc0(sizeof(Listener)));
    listener->action = registered->action;
    listener->handlerName = registered->handler;
    listener->entity =
        psprintf("%s.%s", get_namespace_name(RelationGetNamespace(relation)), RelationGetRelationName(relation));
    listener->eventType = registered->event;
    listener->relation = RelationGetRelid(relation);
    listener->operations = (1 << operationCount) - 1;
    listener->enabled = true;
    listener->onlyAnswers = true;
    listener->context = CurrentMemoryContext;
    return listener;
}

bool firesInThisSession(char enabled) {
    if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
        return enabled == TRIGGER_FIRES_ON_REPLICA || enabled == TRIGGER_FIRES_ALWAYS;
    return enabled == TRIGGER_FIRES_ON_ORIGIN || enabled == TRIGGER_FIRES_ALWAYS;
}

int operationsOf(const Trigger* trigger) {
    int operations = 0;
    if (TRIGGER_FOR_INSERT(trigger->tgtype)) operations |= 1 << opInsert;
    if (TRIGGER_FOR_UPDATE(trigger->tgtype)) operations |= 1 << opUpdate;
    if (TRIGGER_FOR_DELETE(trigger->tgtype)) operations |= 1 << opDelete;
    if (TRIGGER_FOR_TRUNCATE(trigger->tgtype)) operations |= 1 << opTruncate;
    return operations;
}

void findCaptureTriggers(const TriggerDesc* triggers, Oid found[operationCount]) {
    Oid capture = triggers != nullptr ? specqlFunction("capture") : InvalidOid;
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; ++i) {
        const Trigger* trigger = &triggers->triggers[i];
        if (trigger->tgfoid != capture || !firesInThisSession(trigger->tgenabled)) continue;
        for (int operation = 0; operation < operationCount; ++operation)
            if ((operationsOf(trigger) & (1 << operation)) != 0 &&
                (!OidIsValid(found[operation]) || trigger->tgoid < found[operation]))
                found[operation] = trigger->tgoid;
    }
}

// For the views that look from an action to its trigger.
SPECQL_FUNCTION(specql_trigger_name) {
    Name name = static_cast<Name>(palloc0(NAMEDATALEN));
    namestrcpy(name, triggerNameOf(text_to_cstring(PG_GETARG_TEXT_PP(0))));
    PG_RETURN_NAME(name);
}

}  // namespace specql::capture
