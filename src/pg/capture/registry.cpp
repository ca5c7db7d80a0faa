#include "pg/capture/registry.hpp"

#include "pg/base/tables.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/capture/compile.hpp"
#include "pg/capture/triggers.hpp"

namespace specql::capture {

namespace {

MemoryContext context = nullptr;  // of what was read last; nullptr until the first load
List* listeners = NIL;            // of Listener: those of custom events
ArrayType* heard = nullptr;       // text[]: the types of answers that they, or other actions, listen to
List* outdated = NIL;             // memory contexts of earlier loads, freed at the end of the transaction
Oid registry = InvalidOid;        // the OID of specql.action; InvalidOid makes the next caller load it
uint64_t changes = 0;             // counts invalidations, so that one that arrives during a load is not lost
uint64_t generation = 0;          // counts loads

// What specql.action says of an action, whatever it listens to.
struct RegisteredAction {
    const char* action;
    int order;
    bool abortOnError;
    ArrayType* specPosition;
    int rank;  // its position in the order in which actions run
    bool paused;
    bool usesCaller;
    bool tellsPrivate;
};
RegisteredAction* registeredActions = nullptr;  // sorted by name
int registeredCount = 0;
constexpr int unregistered = INT_MAX;

void relationChanged(Datum, Oid relation) {
    if (OidIsValid(relation) && relation != registry) return;
    ++changes;
    registry = InvalidOid;
}

// A handler is found by its name, so a change of any function may have put another one in its place.
void functionChanged(Datum, int, uint32) {
    ++changes;
    registry = InvalidOid;
}

int byName(const void* left, const void* right) {
    return strcmp(static_cast<const RegisteredAction*>(left)->action,
                  static_cast<const RegisteredAction*>(right)->action);
}

// Positions in the spec are compared number by number; one that is the beginning of the other comes first.
int compareSpecPositions(const ArrayType* left, const ArrayType* right) {
    int leftCount = ArrayGetNItems(ARR_NDIM(left), ARR_DIMS(left));
    int rightCount = ArrayGetNItems(ARR_NDIM(right), ARR_DIMS(right));
    const auto* leftParts = reinterpret_cast<const int32*>(ARR_DATA_PTR(left));
    const auto* rightParts = reinterpret_cast<const int32*>(ARR_DATA_PTR(right));
    for (int i = 0; i < Min(leftCount, rightCount); ++i)
        if (leftParts[i] != rightParts[i]) return leftParts[i] < rightParts[i] ? -1 : 1;
    return leftCount - rightCount;
}

int byRunOrder(const void* left, const void* right) {
    const auto* one = *static_cast<RegisteredAction* const*>(left);
    const auto* other = *static_cast<RegisteredAction* const*>(right);
    if (one->order != other->order) return one->order < other->order ? -1 : 1;
    if (one->abortOnError != other->abortOnError) return one->abortOnError ? -1 : 1;
    int positions = compareSpecPositions(one->specPosition, other->specPosition);
    return positions != 0 ? positions : strcmp(one->action, other->action);
}

int byRank(const ListCell* left, const ListCell* right) {
    const auto* one = static_cast<const Listener*>(lfirst(left));
    const auto* other = static_cast<const Listener*>(lfirst(right));
    return one->rank != other->rank ? (one->rank < other->rank ? -1 : 1) : strcmp(one->handlerName, other->handlerName);
}

const RegisteredAction* findRegistered(const char* action) {
    RegisteredAction wanted;
    wanted.action = action;
    return static_cast<const RegisteredAction*>(
        bsearch(&wanted, registeredActions, registeredCount, sizeof(RegisteredAction), byName));
}

bool flagAt(HeapTuple tuple, TupleDesc descriptor, const char* column) {
    bool isNull;
    Datum value = heap_getattr(tuple, SPI_fnumber(descriptor, column), descriptor, &isNull);
    return !isNull && DatumGetBool(value);
}

int numberAt(HeapTuple tuple, TupleDesc descriptor, const char* column) {
    bool isNull;
    Datum value = heap_getattr(tuple, SPI_fnumber(descriptor, column), descriptor, &isNull);
    return isNull ? 0 : DatumGetInt32(value);
}

ArrayType* specPositionAt(HeapTuple tuple, TupleDesc descriptor) {
    bool isNull;
    Datum value = heap_getattr(tuple, SPI_fnumber(descriptor, "place"), descriptor, &isNull);
    return isNull ? construct_empty_array(INT4OID) : DatumGetArrayTypePCopy(value);
}

bool isSet(HeapTuple tuple, TupleDesc descriptor, const char* column) {
    return !heap_attisnull(tuple, SPI_fnumber(descriptor, column), descriptor);
}

// Adds one row of specql.action; rankActions() merges the rows of one action.
void addRegistered(List** found, HeapTuple tuple, TupleDesc descriptor) {
    auto* registered = static_cast<RegisteredAction*>(palloc0(sizeof(RegisteredAction)));
    registered->action = textAt(tuple, descriptor, "action");
    registered->order = numberAt(tuple, descriptor, "run_order");
    registered->abortOnError = strcmp(textAt(tuple, descriptor, "on_error"), "abort") == 0;
    registered->specPosition = specPositionAt(tuple, descriptor);
    registered->paused = isSet(tuple, descriptor, "paused_at");
    registered->usesCaller = flagAt(tuple, descriptor, "uses_caller");
    registered->tellsPrivate = flagAt(tuple, descriptor, "tells_private");
    *found = lappend(*found, registered);
}

// "payments.charge.succeeded": what is raised for answers to calls.
bool isAnswer(const char* event) {
    size_t length = strlen(event);
    for (const char* ending : {".succeeded", ".failed"}) {
        size_t size = strlen(ending);
        if (length > size && strcmp(event + length - size, ending) == 0) return true;
    }
    return false;
}

// Adds the event of a row of specql.action if it is an answer. Calls that were made before an action was switched off
// are answered all the same.
void addHeard(List** found, HeapTuple tuple, TupleDesc descriptor) {
    const char* event = textAt(tuple, descriptor, "event");
    bool own = strncmp(textAt(tuple, descriptor, "part"), answerPart, strlen(answerPart)) == 0;
    if (own || (!isSet(tuple, descriptor, "relation") && flagAt(tuple, descriptor, "enabled") && isAnswer(event)))
        *found = lappend(*found, const_cast<char*>(event));
}

ArrayType* textArrayOf(const List* texts) {
    auto* values = static_cast<Datum*>(palloc(sizeof(Datum) * Max(list_length(texts), 1)));
    for (int i = 0; i < list_length(texts); ++i)
        values[i] = CStringGetTextDatum(static_cast<const char*>(list_nth(texts, i)));
    return construct_array(values, list_length(texts), TEXTOID, -1, false, TYPALIGN_INT);
}

struct Owner {
    const char* action;
    Oid role;
};

int byOwnersAction(const ListCell* left, const ListCell* right) {
    return strcmp(static_cast<const Owner*>(lfirst(left))->action, static_cast<const Owner*>(lfirst(right))->action);
}

// The role in the list (sorted by action) for an action; InvalidOid if the action is not in it.
Oid ownerIn(const List* owners, const char* action) {
    int low = 0, high = list_length(owners) - 1;
    while (low <= high) {
        int middle = (low + high) / 2;
        const auto* owner = static_cast<const Owner*>(list_nth(owners, middle));
        int order = strcmp(action, owner->action);
        if (order == 0) return owner->role;
        if (order < 0)
            high = middle - 1;
        else
            low = middle + 1;
    }
    return InvalidOid;
}

// Reads a table with the columns "action" and `column` (an OID). `roleOf` turns the OID into a role; rows for which it
// gives InvalidOid are left out.
List* readOwners(const char* name, const char* column, Oid (*roleOf)(Oid)) {
    List* owners = NIL;
    Relation table = table_open(tableOid(name), AccessShareLock);
    TupleDesc descriptor = RelationGetDescr(table);
    Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
    TableScanDesc scan = table_beginscan(table, snapshot, 0, nullptr);
    TupleTableSlot* slot = table_slot_create(table, nullptr);
    while (table_scan_getnextslot(scan, ForwardScanDirection, slot)) {
        bool owned, isNull;
        HeapTuple tuple = ExecFetchSlotHeapTuple(slot, false, &owned);
        Oid found = DatumGetObjectId(heap_getattr(tuple, SPI_fnumber(descriptor, column), descriptor, &isNull));
        Oid role = roleOf(found);
        if (!OidIsValid(role)) continue;
        auto* owner = static_cast<Owner*>(palloc(sizeof(Owner)));
        owner->action = textAt(tuple, descriptor, "action");
        owner->role = role;
        owners = lappend(owners, owner);
    }
    ExecDropSingleTupleTableSlot(slot);
    table_endscan(scan);
    UnregisterSnapshot(snapshot);
    table_close(table, AccessShareLock);
    list_sort(owners, byOwnersAction);
    return owners;
}

Oid sameRole(Oid role) {
    return role;
}

Oid ownerOfFunction(Oid function) {
    return SearchSysCacheExists1(PROCOID, ObjectIdGetDatum(function)) ? functionOwner(function) : InvalidOid;
}

// Gives each action its rank, and sorts them by name for findRegistered().
void rankActions(List* found) {
    int count = list_length(found);
    auto** inOrder = static_cast<RegisteredAction**>(palloc(sizeof(RegisteredAction*) * Max(count, 1)));
    for (int i = 0; i < count; ++i)
        inOrder[i] = static_cast<RegisteredAction*>(list_nth(found, i));
    qsort(inOrder, count, sizeof(RegisteredAction*), byRunOrder);
    auto* arranged = static_cast<RegisteredAction*>(palloc(sizeof(RegisteredAction) * Max(count, 1)));
    for (int i = 0; i < count; ++i) {
        arranged[i] = *inOrder[i];
        arranged[i].rank = i;
    }
    qsort(arranged, count, sizeof(RegisteredAction), byName);
    int kept = 0;
    for (int i = 0; i < count; ++i) {
        if (kept == 0 || strcmp(arranged[kept - 1].action, arranged[i].action) != 0) {
            arranged[kept++] = arranged[i];
            continue;
        }
        arranged[kept - 1].rank = Min(arranged[kept - 1].rank, arranged[i].rank);
        arranged[kept - 1].paused |= arranged[i].paused;
        arranged[kept - 1].usesCaller |= arranged[i].usesCaller;
        arranged[kept - 1].tellsPrivate |= arranged[i].tellsPrivate;
    }
    registeredActions = arranged;
    registeredCount = kept;
}

// Scans the table instead of using SQL, because whoever emits an event needs no right to read specql.action.
void load() {
    // The tables of another version may be of other columns.
    requireMatchingVersion();
    MemoryContext fresh = AllocSetContextCreate(CurrentMemoryContext, "specql registry", ALLOCSET_SMALL_SIZES);
    List* found = NIL;
    List* actions = NIL;
    List* answers = NIL;
    Relation table = table_open(tableOid("action"), AccessShareLock);
    uint64_t changesBefore = changes;
    // The owner of the action's function counts, and the recorded owner only if the function is gone: as in the view
    // specql.owned_action.
    List* recordedOwners = readOwners("action_owner", "owner", sameRole);
    List* functionOwners = readOwners("action_function", "function", ownerOfFunction);
    TupleDesc descriptor = RelationGetDescr(table);
    Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
    TableScanDesc scan = table_beginscan(table, snapshot, 0, nullptr);
    TupleTableSlot* slot = table_slot_create(table, nullptr);
    while (table_scan_getnextslot(scan, ForwardScanDirection, slot)) {
        bool owned;
        HeapTuple tuple = ExecFetchSlotHeapTuple(slot, false, &owned);
        MemoryContext before = MemoryContextSwitchTo(fresh);
        addRegistered(&actions, tuple, descriptor);
        addHeard(&answers, tuple, descriptor);
        MemoryContextSwitchTo(before);
        if (isSet(tuple, descriptor, "relation") || !flagAt(tuple, descriptor, "enabled")) continue;
        const char* onError = textAt(tuple, descriptor, "on_error");
        Listener* listener =
            makeEventListener(fresh, textAt(tuple, descriptor, "action"), textAt(tuple, descriptor, "event"),
                              textAt(tuple, descriptor, "handler"), strcmp(onError, "abort") == 0);
        listener->owner = ownerIn(functionOwners, listener->action);
        if (!OidIsValid(listener->owner)) listener->owner = ownerIn(recordedOwners, listener->action);
        const char* part = textAt(tuple, descriptor, "part");
        listener->onlyMatches = strcmp(part, "match") == 0 || strcmp(part, "schedule") == 0 || strcmp(part, "due") == 0;
        listener->onlyAnswers = strncmp(part, answerPart, strlen(answerPart)) == 0;
        before = MemoryContextSwitchTo(fresh);
        found = lappend(found, listener);
        MemoryContextSwitchTo(before);
    }
    ExecDropSingleTupleTableSlot(slot);
    table_endscan(scan);
    UnregisterSnapshot(snapshot);
    Oid oid = RelationGetRelid(table);
    table_close(table, AccessShareLock);
    MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
    if (context != nullptr) outdated = lappend(outdated, context);
    context = nullptr;
    MemoryContextSwitchTo(fresh);
    rankActions(actions);
    heard = textArrayOf(answers);
    MemoryContextSwitchTo(before);
    ++generation;
    ListCell* cell;
    foreach (cell, found) {
        Listener* listener = static_cast<Listener*>(lfirst(cell));
        listener->rank = findRegistered(listener->action)->rank;
        listener->rankGeneration = generation;
    }
    list_sort(found, byRank);
    MemoryContextSetParent(fresh, CacheMemoryContext);
    context = fresh;
    listeners = found;
    registry = changes == changesBefore ? oid : InvalidOid;
}

const RegisteredAction* registeredAction(const char* action) {
    if (!OidIsValid(registry)) load();
    return findRegistered(action);
}

int rankOf(Listener* listener) {
    if (!OidIsValid(registry)) load();
    if (listener->rankGeneration != generation) {
        const RegisteredAction* registered = findRegistered(listener->action);
        listener->rank = registered != nullptr ? registered->rank : unregistered;
        listener->rankGeneration = generation;
    }
    return listener->rank;
}

}  // namespace

List* eventListeners(const char* event, const char* matched) {
    if (!OidIsValid(registry)) load();
    List* result = NIL;
    ListCell* cell;
    foreach (cell, listeners) {
        Listener* listener = static_cast<Listener*>(lfirst(cell));
        if (listener->onlyAnswers) continue;
        if (listener->onlyMatches && (matched == nullptr || strcmp(listener->action, matched) != 0)) continue;
        if (strcmp(listener->eventType, event) == 0) result = lappend(result, listener);
    }
    return result;
}

Listener* eventAnswerListener(const char* action, const char* event) {
    if (!OidIsValid(registry)) load();
    ListCell* cell;
    foreach (cell, listeners) {
        Listener* listener = static_cast<Listener*>(lfirst(cell));
        if (listener->onlyAnswers && strcmp(listener->action, action) == 0 && strcmp(listener->eventType, event) == 0)
            return listener;
    }
    return nullptr;
}

Datum heardAnswers() {
    if (!OidIsValid(registry)) load();
    return PointerGetDatum(heard);
}

SPECQL_FUNCTION(specql_heard_answers) {
    return heardAnswers();
}

bool runsBefore(Listener* left, Listener* right) {
    int leftRank = rankOf(left), rightRank = rankOf(right);
    if (leftRank != rightRank) return leftRank < rightRank;
    if (left->abortOnError != right->abortOnError) return left->abortOnError;
    return left->triggerNumber < right->triggerNumber;
}

bool isPaused(const char* action) {
    const RegisteredAction* registered = registeredAction(action);
    return registered != nullptr && registered->paused;
}

bool usesCaller(const char* action) {
    const RegisteredAction* registered = registeredAction(action);
    return registered != nullptr && registered->usesCaller;
}

bool tellsPrivate(const char* action) {
    // Before ALTER EXTENSION specql UPDATE no action has.
    if (!hasMatchingVersion()) return false;
    const RegisteredAction* registered = registeredAction(action);
    return registered != nullptr && registered->tellsPrivate;
}

void registerRegistryInvalidation() {
    CacheRegisterRelcacheCallback(relationChanged, 0);
    CacheRegisterSyscacheCallback(PROCOID, functionChanged, 0);
    CacheRegisterSyscacheCallback(NAMESPACEOID, functionChanged, 0);
}

void freeOutdatedRegistry() {
    ListCell* cell;
    foreach (cell, outdated)
        MemoryContextDelete(static_cast<MemoryContext>(lfirst(cell)));
    list_free(outdated);
    outdated = NIL;
}

// The trigger on specql.action and specql.action_owner that makes all backends load the registry again.
SPECQL_FUNCTION(specql_action_changed) {
    if (!CALLED_AS_TRIGGER(fcinfo))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("specql.action_changed is a trigger function")));
    CacheInvalidateRelcacheByRelid(tableOid("action"));
    return PointerGetDatum(nullptr);
}

}  // namespace specql::capture
