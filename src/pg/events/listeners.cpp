#include "pg/events/listeners.hpp"

#include "pg/bridge/entry.hpp"
#include "pg/events/tables.hpp"

namespace specql {

namespace {

MemoryContext context = nullptr;   // nullptr: not read yet, or out of date
List* listeners = NIL;
List* paused = NIL;   // names of actions
List* outdated = NIL;
Oid registry = InvalidOid;
uint64_t changes = 0;

void relationChanged(Datum, Oid relation) {
    if (OidIsValid(relation) && relation != registry)
        return;
    ++changes;
    registry = InvalidOid;
}

// A handler may have been replaced by another function of its name.
void functionChanged(Datum, int, uint32) {
    ++changes;
    registry = InvalidOid;
}

int byAction(const ListCell* left, const ListCell* right) {
    return strcmp(static_cast<const Rule*>(lfirst(left))->action, static_cast<const Rule*>(lfirst(right))->action);
}

const char* textAt(HeapTuple tuple, TupleDesc descriptor, const char* column) {
    bool isNull;
    int number = SPI_fnumber(descriptor, column);
    Datum value = heap_getattr(tuple, number, descriptor, &isNull);
    return isNull ? nullptr : TextDatumGetCString(value);
}

bool flagAt(HeapTuple tuple, TupleDesc descriptor, const char* column) {
    bool isNull;
    Datum value = heap_getattr(tuple, SPI_fnumber(descriptor, column), descriptor, &isNull);
    return !isNull && DatumGetBool(value);
}

bool isSet(HeapTuple tuple, TupleDesc descriptor, const char* column) {
    return !heap_attisnull(tuple, SPI_fnumber(descriptor, column), descriptor);
}

// Read straight from the table: whoever emits needs no right to see the registry.
void load() {
    MemoryContext fresh = AllocSetContextCreate(CurrentMemoryContext, "specql listeners", ALLOCSET_SMALL_SIZES);
    List* found = NIL;
    List* stopped = NIL;
    Relation table = table_open(tableOid("action"), AccessShareLock);
    uint64_t changesBefore = changes;
    TupleDesc descriptor = RelationGetDescr(table);
    Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
    TableScanDesc scan = table_beginscan(table, snapshot, 0, nullptr);
    TupleTableSlot* slot = table_slot_create(table, nullptr);
    while (table_scan_getnextslot(scan, ForwardScanDirection, slot)) {
        bool owned;
        HeapTuple tuple = ExecFetchSlotHeapTuple(slot, false, &owned);
        if (isSet(tuple, descriptor, "paused_at")) {
            const char* action = textAt(tuple, descriptor, "action");
            MemoryContext before = MemoryContextSwitchTo(fresh);
            stopped = lappend(stopped, pstrdup(action));
            MemoryContextSwitchTo(before);
        }
        if (textAt(tuple, descriptor, "relation") != nullptr || !flagAt(tuple, descriptor, "enabled"))
            continue;
        const char* onError = textAt(tuple, descriptor, "on_error");
        Rule* rule = makeListener(fresh, textAt(tuple, descriptor, "action"), textAt(tuple, descriptor, "event"),
                                  textAt(tuple, descriptor, "handler"), strcmp(onError, "abort") == 0);
        rule->onlyMatches = strcmp(textAt(tuple, descriptor, "part"), "match") == 0;
        MemoryContext before = MemoryContextSwitchTo(fresh);
        found = lappend(found, rule);
        MemoryContextSwitchTo(before);
    }
    ExecDropSingleTupleTableSlot(slot);
    table_endscan(scan);
    UnregisterSnapshot(snapshot);
    Oid oid = RelationGetRelid(table);
    table_close(table, AccessShareLock);
    list_sort(found, byAction);
    if (context != nullptr) {
        MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
        outdated = lappend(outdated, context);
        MemoryContextSwitchTo(before);
    }
    MemoryContextSetParent(fresh, CacheMemoryContext);
    context = fresh;
    listeners = found;
    paused = stopped;
    registry = changes == changesBefore ? oid : InvalidOid;
}

}  // namespace

List* listenersOf(const char* event, const char* matched) {
    if (!OidIsValid(registry))
        load();
    List* result = NIL;
    ListCell* cell;
    foreach (cell, listeners) {
        Rule* rule = static_cast<Rule*>(lfirst(cell));
        if (rule->onlyMatches && (matched == nullptr || strcmp(rule->action, matched) != 0))
            continue;
        if (strcmp(rule->eventType, event) == 0)
            result = lappend(result, rule);
    }
    return result;
}

bool isPaused(const char* action) {
    if (!OidIsValid(registry))
        load();
    ListCell* cell;
    foreach (cell, paused)
        if (strcmp(static_cast<const char*>(lfirst(cell)), action) == 0)
            return true;
    return false;
}

void registerListenerInvalidation() {
    CacheRegisterRelcacheCallback(relationChanged, 0);
    CacheRegisterSyscacheCallback(PROCOID, functionChanged, 0);
    CacheRegisterSyscacheCallback(NAMESPACEOID, functionChanged, 0);
}

void freeOutdatedListeners() {
    ListCell* cell;
    foreach (cell, outdated)
        MemoryContextDelete(static_cast<MemoryContext>(lfirst(cell)));
    list_free(outdated);
    outdated = NIL;
}

// The trigger on specql.action: tells all backends to read it again.
SPECQL_FUNCTION(specql_action_changed) {
    if (!CALLED_AS_TRIGGER(fcinfo))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("specql.action_changed is a trigger function")));
    CacheInvalidateRelcacheByRelid(RelationGetRelid(reinterpret_cast<TriggerData*>(fcinfo->context)->tg_relation));
    return PointerGetDatum(nullptr);
}

}  // namespace specql
