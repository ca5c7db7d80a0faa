#include "pg/worker/owners.hpp"

#include "pg/base/worker_settings.hpp"
#include "pg/worker/session.hpp"

namespace specql::worker {

namespace {

constexpr int afterDeathMs = 1000;       // after a worker has died, before its role gets another one
constexpr int restrictedMs = 60 * 1000;  // after connecting as a role has failed, before that is tried again

// What the coordinator knows of a role for which it has started, or may start, a worker.
struct Turn {
    Oid owner;
    TimestampTz startedAt;
    TimestampTz notBefore;
    TimestampTz restrictedUntil;
    BackgroundWorkerHandle* worker;  // nullptr if none runs
    int slot;
};

List* turns = NIL;
dsm_segment* segment = nullptr;
OwnerWorkersState* shared = nullptr;
TimestampTz functionsAt = 0;  // when to check next whether missing functions exist now
TimestampTz lookAt = 0;       // when to look next for owners

// A role with work, as specql.waiting_owners() gives it.
struct Waiting {
    Oid owner;
    int64_t dueMs;
    bool connects;
    Turn* turn;
};

// When the coordinator ends, its owner workers must make room for those of the next one.
void releaseOwnerWorkers(int, Datum) {
    if (shared != nullptr) shared->wanted = true;
}

void createSharedState() {
    segment = dsm_create(sizeof(OwnerWorkersState), DSM_CREATE_NULL_IF_MAXSEGMENTS);
    if (segment == nullptr) return;
    dsm_pin_mapping(segment);
    shared = static_cast<OwnerWorkersState*>(dsm_segment_address(segment));
    memset(shared, 0, sizeof *shared);
    before_shmem_exit(releaseOwnerWorkers, 0);
}

Turn* turnOf(Oid owner) {
    ListCell* cell;
    foreach (cell, turns) {
        auto* turn = static_cast<Turn*>(lfirst(cell));
        if (turn->owner == owner) return turn;
    }
    MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
    auto* turn = static_cast<Turn*>(palloc0(sizeof(Turn)));
    turn->owner = owner;
    turns = lappend(turns, turn);
    MemoryContextSwitchTo(before);
    return turn;
}

// Counts the workers that run, and forgets those that have ended.
int countRunning() {
    int running = 0;
    ListCell* cell;
    foreach (cell, turns) {
        auto* turn = static_cast<Turn*>(lfirst(cell));
        if (turn->worker == nullptr) continue;
        pid_t pid;
        if (GetBackgroundWorkerPid(turn->worker, &pid) != BGWH_STOPPED) {
            ++running;
            continue;
        }
        pfree(turn->worker);
        turn->worker = nullptr;
        OwnerState state = shared->states[turn->slot];
        if (state == OwnerState::ended) continue;
        turn->notBefore = later(afterDeathMs);
        if (state == OwnerState::starting) turn->restrictedUntil = later(restrictedMs);
    }
    return running;
}

int freeSlot() {
    bool used[maxOwnerWorkers] = {false};
    ListCell* cell;
    foreach (cell, turns) {
        const auto* turn = static_cast<const Turn*>(lfirst(cell));
        if (turn->worker != nullptr) used[turn->slot] = true;
    }
    int slot = 0;
    while (used[slot])
        ++slot;
    return slot;
}

// Starts a worker for a role. False if the server has no free slot for it.
bool start(const Waiting* waiting) {
    Turn* turn = waiting->turn;
    TimestampTz now = GetCurrentTimestamp();
    OwnerWorkerArguments arguments;
    memset(&arguments, 0, sizeof arguments);
    arguments.owner = waiting->owner;
    arguments.restricted = !waiting->connects || turn->restrictedUntil > now;
    arguments.slot = freeSlot();
    arguments.shared = dsm_segment_handle(segment);
    BackgroundWorker worker;
    memset(&worker, 0, sizeof worker);
    worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
    worker.bgw_restart_time = BGW_NEVER_RESTART;
    worker.bgw_main_arg = ObjectIdGetDatum(MyDatabaseId);
    worker.bgw_notify_pid = MyProcPid;
    strlcpy(worker.bgw_library_name, "specql", sizeof worker.bgw_library_name);
    strlcpy(worker.bgw_function_name, "specql_owner_main", sizeof worker.bgw_function_name);
    strlcpy(worker.bgw_type, "specql owner worker", sizeof worker.bgw_type);
    snprintf(worker.bgw_name, sizeof worker.bgw_name, "specql worker for role %u in database %u", arguments.owner,
             MyDatabaseId);
    static_assert(sizeof arguments <= sizeof worker.bgw_extra);
    memcpy(worker.bgw_extra, &arguments, sizeof arguments);
    shared->states[arguments.slot] = OwnerState::starting;
    MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
    BackgroundWorkerHandle* handle = nullptr;
    bool registered = RegisterDynamicBackgroundWorker(&worker, &handle);
    MemoryContextSwitchTo(before);
    if (!registered) return false;
    turn->worker = handle;
    turn->slot = arguments.slot;
    turn->startedAt = now;
    return true;
}

int byTurn(const void* left, const void* right) {
    TimestampTz one = static_cast<const Waiting*>(left)->turn->startedAt;
    TimestampTz other = static_cast<const Waiting*>(right)->turn->startedAt;
    return one < other ? -1 : one > other ? 1 : 0;
}

// The roles with work, in the current memory context; none after an error.
Waiting* waitingOwners(int* count) {
    TimestampTz now = GetCurrentTimestamp();
    bool functions = now >= functionsAt;
    if (functions) functionsAt = later(settings::pollInterval);
    MemoryContext caller = CurrentMemoryContext;
    Waiting* result = nullptr;
    *count = 0;
    ErrorData* error = tryTransaction("specql owners", [functions, caller, count, &result] {
        if (!lockExtension()) return;
        SPI_connect();
        if (SPI_execute(
                functions ? "SELECT * FROM specql.waiting_owners(true)" : "SELECT * FROM specql.waiting_owners(false)",
                false, 0) != SPI_OK_SELECT)
            elog(ERROR, "specql: looking for waiting owners failed");
        *count = static_cast<int>(SPI_processed);
        result = static_cast<Waiting*>(MemoryContextAlloc(caller, sizeof(Waiting) * Max(SPI_processed, 1)));
        for (int i = 0; i < *count; ++i) {
            HeapTuple row = SPI_tuptable->vals[i];
            bool isNull;
            result[i].owner = DatumGetObjectId(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isNull));
            result[i].dueMs = DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isNull));
            Datum connects = SPI_getbinval(row, SPI_tuptable->tupdesc, 3, &isNull);
            result[i].connects = !isNull && DatumGetBool(connects);
        }
        SPI_finish();
    });
    if (error != nullptr) *count = 0;
    return result;
}

int64_t startDueOwners() {
    int64_t untilLook = millisecondsUntil(lookAt);
    if (untilLook > 0) return untilLook;
    TimestampTz begun = GetCurrentTimestamp();
    int running = countRunning();
    int count;
    Waiting* waiting = waitingOwners(&count);
    lookAt = nextLook(begun);
    int most = Min(settings::ownerWorkers, maxOwnerWorkers);
    int64_t soonest = -1;
    bool wanted = false;
    for (int i = 0; i < count; ++i)
        waiting[i].turn = turnOf(waiting[i].owner);
    if (count > 1) qsort(waiting, count, sizeof(Waiting), byTurn);
    for (int i = 0; i < count; ++i) {
        const Turn* turn = waiting[i].turn;
        if (turn->worker != nullptr) continue;  // it starts, or ends
        int64_t inMs = Max(waiting[i].dueMs, millisecondsUntil(turn->notBefore));
        if (inMs == 0 && !wanted && running < most && start(&waiting[i])) {
            ++running;
        } else if (inMs == 0) {
            wanted = true;
        } else if (soonest < 0 || inMs < soonest) {
            soonest = inMs;
        }
    }
    shared->wanted = wanted;
    if (wanted)
        compat::forBackgroundWorkers([](PGPROC* process) {
            if (process != MyProc) SetLatch(&process->procLatch);
        });
    return soonest;
}

}  // namespace

int64_t startOwners() {
    if (shared == nullptr) createSharedState();
    if (shared == nullptr) return -1;
    static MemoryContext scratch = AllocSetContextCreate(TopMemoryContext, "specql owners", ALLOCSET_SMALL_SIZES);
    MemoryContext before = MemoryContextSwitchTo(scratch);
    int64_t soonest = startDueOwners();
    MemoryContextSwitchTo(before);
    MemoryContextReset(scratch);
    return soonest;
}

}  // namespace specql::worker
