#include "pg/capture/listeners.hpp"

#include "pg/base/tables.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/capture/compile.hpp"

namespace specql::capture {

namespace {

MemoryContext context = nullptr;  // nullptr: not read yet, or out of date
List* listeners = NIL;
List* outdated = NIL;
Oid registry = InvalidOid;      // InvalidOid: not read yet, or out of date
Oid lastRegistry = InvalidOid;  // what it is, or was
uint64_t changes = 0;
uint64_t generation = 0;  // counts loads

// What the registry says of an action, whatever it listens to.
struct Standing {
    const char* action;
    int order;
    bool invariant;
    ArrayType* place;
    int turn;  // its number in the order of all actions
    bool paused;
    bool usesCaller;
};
Standing* standings = nullptr;  // by name
int standingCount = 0;
constexpr int unregistered = INT_MAX;

// What runs for the rows of a table.
struct OfTable {
    const char* action;
    const char* relation;
    const char* handler;
    const char* capture;
};
List* ofTables = NIL;

void relationChanged(Datum, Oid relation) {
    if (OidIsValid(relation) && relation != registry) return;
    ++changes;
    registry = InvalidOid;
}

// A handler may have been replaced by another function of its name.
void functionChanged(Datum, int, uint32) {
    ++changes;
    registry = InvalidOid;
}

int byName(const void* left, const void* right) {
    return strcmp(static_cast<const Standing*>(left)->action, static_cast<const Standing*>(right)->action);
}

// Compared from the left; one that the other begins with comes first.
int comparePlaces(const ArrayType* left, const ArrayType* right) {
    int leftCount = ArrayGetNItems(ARR_NDIM(left), ARR_DIMS(left));
    int rightCount = ArrayGetNItems(ARR_NDIM(right), ARR_DIMS(right));
    const auto* leftParts = reinterpret_cast<const int32*>(ARR_DATA_PTR(left));
    const auto* rightParts = reinterpret_cast<const int32*>(ARR_DATA_PTR(right));
    for (int i = 0; i < Min(leftCount, rightCount); ++i)
        if (leftParts[i] != rightParts[i]) return leftParts[i] < rightParts[i] ? -1 : 1;
    return leftCount - rightCount;
}

int byTurn(const void* left, const void* right) {
    const auto* one = *static_cast<Standing* const*>(left);
    const auto* other = *static_cast<Standing* const*>(right);
    if (one->order != other->order) return one->order < other->order ? -1 : 1;
    if (one->invariant != other->invariant) return one->invariant ? -1 : 1;
    int places = comparePlaces(one->place, other->place);
    return places != 0 ? places : strcmp(one->action, other->action);
}

int byRuleTurn(const ListCell* left, const ListCell* right) {
    const auto* one = static_cast<const Rule*>(lfirst(left));
    const auto* other = static_cast<const Rule*>(lfirst(right));
    return one->turn != other->turn ? (one->turn < other->turn ? -1 : 1) : strcmp(one->handlerName, other->handlerName);
}

const Standing* findStanding(const char* action) {
    Standing wanted;
    wanted.action = action;
    return static_cast<const Standing*>(bsearch(&wanted, standings, standingCount, sizeof(Standing), byName));
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

int numberAt(HeapTuple tuple, TupleDesc descriptor, const char* column) {
    bool isNull;
    Datum value = heap_getattr(tuple, SPI_fnumber(descriptor, column), descriptor, &isNull);
    return isNull ? 0 : DatumGetInt32(value);
}

ArrayType* placeAt(HeapTuple tuple, TupleDesc descriptor) {
    bool isNull;
    Datum value = heap_getattr(tuple, SPI_fnumber(descriptor, "place"), descriptor, &isNull);
    return isNull ? construct_empty_array(INT4OID) : DatumGetArrayTypePCopy(value);
}

bool isSet(HeapTuple tuple, TupleDesc descriptor, const char* column) {
    return !heap_attisnull(tuple, SPI_fnumber(descriptor, column), descriptor);
}

// What one row of the registry says; of an action with several rows the first one read counts.
void addStanding(List** found, HeapTuple tuple, TupleDesc descriptor) {
    auto* standing = static_cast<Standing*>(palloc0(sizeof(Standing)));
    standing->action = textAt(tuple, descriptor, "action");
    standing->order = numberAt(tuple, descriptor, "run_order");
    standing->invariant = strcmp(textAt(tuple, descriptor, "on_error"), "abort") == 0;
    standing->place = placeAt(tuple, descriptor);
    standing->paused = isSet(tuple, descriptor, "paused_at");
    standing->usesCaller = flagAt(tuple, descriptor, "uses_caller");
    *found = lappend(*found, standing);
}

void addOfTable(List** found, HeapTuple tuple, TupleDesc descriptor) {
    auto* added = static_cast<OfTable*>(palloc0(sizeof(OfTable)));
    added->action = textAt(tuple, descriptor, "action");
    added->relation = textAt(tuple, descriptor, "relation");
    added->handler = textAt(tuple, descriptor, "handler");
    added->capture = textAt(tuple, descriptor, "capture");
    *found = lappend(*found, added);
}

struct Owner {
    const char* action;
    Oid role;
};

int byOwnersAction(const ListCell* left, const ListCell* right) {
    return strcmp(static_cast<const Owner*>(lfirst(left))->action, static_cast<const Owner*>(lfirst(right))->action);
}

// InvalidOid if the list, which is in the order of the names, says nothing of the action.
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

// A table of actions and OIDs, which `roleOf` makes roles of; InvalidOid is left out.
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

Oid itself(Oid role) {
    return role;
}

Oid currentOwner(Oid function) {
    return SearchSysCacheExists1(PROCOID, ObjectIdGetDatum(function)) ? functionOwner(function) : InvalidOid;
}

// Numbers the actions in their order, and makes them ready to be found by their names.
void arrange(List* found) {
    int count = list_length(found);
    auto** inOrder = static_cast<Standing**>(palloc(sizeof(Standing*) * Max(count, 1)));
    for (int i = 0; i < count; ++i)
        inOrder[i] = static_cast<Standing*>(list_nth(found, i));
    qsort(inOrder, count, sizeof(Standing*), byTurn);
    auto* arranged = static_cast<Standing*>(palloc(sizeof(Standing) * Max(count, 1)));
    for (int i = 0; i < count; ++i) {
        arranged[i] = *inOrder[i];
        arranged[i].turn = i;
    }
    qsort(arranged, count, sizeof(Standing), byName);
    int kept = 0;
    for (int i = 0; i < count; ++i) {
        if (kept == 0 || strcmp(arranged[kept - 1].action, arranged[i].action) != 0) {
            arranged[kept++] = arranged[i];
            continue;
        }
        arranged[kept - 1].turn = Min(arranged[kept - 1].turn, arranged[i].turn);
        arranged[kept - 1].paused |= arranged[i].paused;
        arranged[kept - 1].usesCaller |= arranged[i].usesCaller;
    }
    standings = arranged;
    standingCount = kept;
}

// Read straight from the table: whoever emits needs no right to see the registry.
void load() {
    MemoryContext fresh = AllocSetContextCreate(CurrentMemoryContext, "specql listeners", ALLOCSET_SMALL_SIZES);
    List* found = NIL;
    List* all = NIL;
    List* watching = NIL;
    Relation table = table_open(tableOid("action"), AccessShareLock);
    uint64_t changesBefore = changes;
    // As specql.owned_action has it.
    List* owners = readOwners("action_owner", "owner", itself);
    List* current = readOwners("action_function", "function", currentOwner);
    TupleDesc descriptor = RelationGetDescr(table);
    Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
    TableScanDesc scan = table_beginscan(table, snapshot, 0, nullptr);
    TupleTableSlot* slot = table_slot_create(table, nullptr);
    while (table_scan_getnextslot(scan, ForwardScanDirection, slot)) {
        bool owned;
        HeapTuple tuple = ExecFetchSlotHeapTuple(slot, false, &owned);
        MemoryContext before = MemoryContextSwitchTo(fresh);
        addStanding(&all, tuple, descriptor);
        bool ofTable = isSet(tuple, descriptor, "relation");
        if (ofTable) addOfTable(&watching, tuple, descriptor);
        MemoryContextSwitchTo(before);
        if (ofTable || !flagAt(tuple, descriptor, "enabled")) continue;
        const char* onError = textAt(tuple, descriptor, "on_error");
        Rule* rule = makeListener(fresh, textAt(tuple, descriptor, "action"), textAt(tuple, descriptor, "event"),
                                  textAt(tuple, descriptor, "handler"), strcmp(onError, "abort") == 0);
        rule->owner = ownerIn(current, rule->action);
        if (!OidIsValid(rule->owner)) rule->owner = ownerIn(owners, rule->action);
        rule->onlyMatches = strcmp(textAt(tuple, descriptor, "part"), "match") == 0;
        before = MemoryContextSwitchTo(fresh);
        found = lappend(found, rule);
        MemoryContextSwitchTo(before);
    }
    ExecDropSingleTupleTableSlot(slot);
    table_endscan(scan);
    UnregisterSnapshot(snapshot);
    Oid oid = RelationGetRelid(table);
    table_close(table, AccessShareLock);
    MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
    if (context != nullptr) outdated = lappend(outdated, context);
    MemoryContextSwitchTo(fresh);
    arrange(all);
    MemoryContextSwitchTo(before);
    ++generation;
    ListCell* cell;
    foreach (cell, found) {
        Rule* rule = static_cast<Rule*>(lfirst(cell));
        rule->turn = findStanding(rule->action)->turn;
        rule->turnRead = generation;
    }
    list_sort(found, byRuleTurn);
    MemoryContextSetParent(fresh, CacheMemoryContext);
    context = fresh;
    listeners = found;
    ofTables = watching;
    lastRegistry = oid;
    registry = changes == changesBefore ? oid : InvalidOid;
}

const Standing* standingOf(const char* action) {
    if (!OidIsValid(registry)) load();
    return findStanding(action);
}

int turnOf(Rule* rule) {
    if (!OidIsValid(registry)) load();
    if (rule->turnRead != generation) {
        const Standing* standing = findStanding(rule->action);
        rule->turn = standing != nullptr ? standing->turn : unregistered;
        rule->turnRead = generation;
    }
    return rule->turn;
}

}  // namespace

List* listenersOf(const char* event, const char* matched) {
    if (!OidIsValid(registry)) load();
    List* result = NIL;
    ListCell* cell;
    foreach (cell, listeners) {
        Rule* rule = static_cast<Rule*>(lfirst(cell));
        if (rule->onlyMatches && (matched == nullptr || strcmp(rule->action, matched) != 0)) continue;
        if (strcmp(rule->eventType, event) == 0) result = lappend(result, rule);
    }
    return result;
}

bool runsBefore(Rule* left, Rule* right) {
    int leftTurn = turnOf(left), rightTurn = turnOf(right);
    if (leftTurn != rightTurn) return leftTurn < rightTurn;
    if (left->abortOnError != right->abortOnError) return left->abortOnError;
    return left->number < right->number;
}

namespace {

bool isNamed(Relation relation, const char* name) {
    return strcmp(quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
                                             RelationGetRelationName(relation)),
                  name) == 0;
}

}  // namespace

bool isRegistered(const Rule* rule, const char* capture, Relation relation) {
    if (!OidIsValid(registry)) load();
    ListCell* cell;
    foreach (cell, ofTables) {
        const auto* known = static_cast<const OfTable*>(lfirst(cell));
        if (strcmp(known->action, rule->action) != 0 || strcmp(known->handler, rule->handlerName) != 0 ||
            strcmp(known->capture, capture) != 0)
            continue;
        // The function knows its table, whatever that is called by now. Where there is none, as after the rename of a
        // schema, nothing can run, but what happens is kept.
        Oid function = findCapture(capture, relation);
        Captures captures = OidIsValid(function) ? capturesRowsOf(function, relation) : Captures::table;
        return captures == Captures::table || (captures == Captures::unknown && isNamed(relation, known->relation));
    }
    return false;
}

Oid registryTable() {
    return lastRegistry;
}

bool isPaused(const char* action) {
    const Standing* standing = standingOf(action);
    return standing != nullptr && standing->paused;
}

bool usesCaller(const char* action) {
    const Standing* standing = standingOf(action);
    return standing != nullptr && standing->usesCaller;
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

// The trigger on specql.action and specql.action_owner: tells all backends to read it again.
SPECQL_FUNCTION(specql_action_changed)
{
    if (!CALLED_AS_TRIGGER(fcinfo))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("specql.action_changed is a trigger function")));
    CacheInvalidateRelcacheByRelid(tableOid("action"));
    return PointerGetDatum(nullptr);
}

}  // namespace specql::capture
