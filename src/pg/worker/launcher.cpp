#include "pg/worker/launcher.hpp"

#include "pg/base/background_worker.hpp"
#include "pg/base/wake.hpp"
#include "pg/base/worker_settings.hpp"
#include "pg/bridge/entry.hpp"

extern "C" {
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
}

namespace specql::worker {

namespace {

constexpr int retryMs = 10 * 1000;  // before the next attempt if there was no free slot
constexpr int settleMs = 500;       // time for a worker to find out whether its database has the extension

// The OIDs of the databases that allow connections and are no templates; in the current memory context.
List* databases() {
    MemoryContext keep = CurrentMemoryContext;
    List* result = NIL;
    StartTransactionCommand();
    (void)GetTransactionSnapshot();
    Relation catalog = table_open(DatabaseRelationId, AccessShareLock);
    TableScanDesc scan = table_beginscan_catalog(catalog, 0, nullptr);
    while (HeapTuple tuple = heap_getnext(scan, ForwardScanDirection)) {
        auto* database = reinterpret_cast<Form_pg_database>(GETSTRUCT(tuple));
        if (!database->datallowconn || database->datistemplate) continue;
        MemoryContext before = MemoryContextSwitchTo(keep);
        result = lappend_oid(result, database->oid);
        MemoryContextSwitchTo(before);
    }
    table_endscan(scan);
    table_close(catalog, AccessShareLock);
    CommitTransactionCommand();
    MemoryContextSwitchTo(keep);
    return result;
}

// Starts a worker, and waits until it has ended if its database lacks the extension, so that its slot is free for the
// next. False if there is no free slot.
bool startIn(Oid database) {
    BackgroundWorker worker;
    describeWorker(&worker, database, "");
    worker.bgw_notify_pid = MyProcPid;
    BackgroundWorkerHandle* handle;
    if (!RegisterDynamicBackgroundWorker(&worker, &handle)) return false;
    pid_t pid;
    if (WaitForBackgroundWorkerStartup(handle, &pid) == BGWH_STARTED)
        (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, settleMs, PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
    return true;
}

}  // namespace

void registerLauncher() {
    if (!process_shared_preload_libraries_in_progress) return;
    BackgroundWorker worker;
    memset(&worker, 0, sizeof worker);
    worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
    worker.bgw_restart_time = 10;
    strlcpy(worker.bgw_library_name, "specql", sizeof worker.bgw_library_name);
    strlcpy(worker.bgw_function_name, "specql_launcher_main", sizeof worker.bgw_function_name);
    strlcpy(worker.bgw_name, "specql launcher", sizeof worker.bgw_name);
    strlcpy(worker.bgw_type, "specql launcher", sizeof worker.bgw_type);
    RegisterBackgroundWorker(&worker);
}

}  // namespace specql::worker

extern "C" {
SPECQL_EXPORT void specql_launcher_main(Datum argument);

// Starts a worker in every database once. It ends if its database has no work; later the sessions that queue work start
// it.
void specql_launcher_main(Datum) {
    using namespace specql;
    using namespace specql::worker;
    pqsignal(SIGTERM, die);
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    BackgroundWorkerUnblockSignals();
    BackgroundWorkerInitializeConnection(nullptr, nullptr, 0);
    atBoundary([] {
        List* left = databases();
        while (left != NIL && settings::workerMode != settings::workerOff) {
            if (startIn(linitial_oid(left))) {
                left = list_delete_first(left);
                continue;
            }
            (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, retryMs, PG_WAIT_EXTENSION);
            ResetLatch(MyLatch);
            CHECK_FOR_INTERRUPTS();
        }
    });
    proc_exit(0);
}
}
