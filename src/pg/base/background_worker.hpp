// The server's headers for background workers, beyond those of compat.hpp, and the version differences in them.
#pragma once

#include "pg/compat.hpp"

extern "C" {
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "pgstat.h"
#include "postmaster/autovacuum.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "postmaster/postmaster.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/pmsignal.h"
#include "storage/proc.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/array.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"
#if PG_VERSION_NUM >= 150000
#include "common/pg_prng.h"
#endif
}

namespace specql::compat {

// A random number from [0, 1).
inline double chance() {
#if PG_VERSION_NUM >= 150000
    return pg_prng_double(&pg_global_prng_state);
#else
    return static_cast<double>(random()) / (static_cast<double>(MAX_RANDOM_VALUE) + 1);
#endif
}

// The flag to connect as a role without LOGIN; 0 in versions that do not have it.
#ifdef BGWORKER_BYPASS_ROLELOGINCHECK
constexpr uint32 withoutLogin = BGWORKER_BYPASS_ROLELOGINCHECK;
#else
constexpr uint32 withoutLogin = 0;
#endif

// The timeline that this server writes; it must not be in recovery. It stays as long as the server runs.
inline TimeLineID ownTimeline() {
#if PG_VERSION_NUM >= 150000
    return GetWALInsertionTimeLine();
#else
    (void)RecoveryInProgress();  // finds it out
    return ThisTimeLineID;
#endif
}

// Up to where this server has flushed its WAL; it must not be in recovery.
inline XLogRecPtr flushedPosition() {
#if PG_VERSION_NUM >= 150000
    return GetFlushRecPtr(nullptr);
#else
    return GetFlushRecPtr();
#endif
}

// Calls `visit` for the PGPROC of each background worker that is connected to this database, without taking a lock.
template <typename Visit>
void forBackgroundWorkers(Visit visit) {
#if PG_VERSION_NUM >= 180000
    uint32 first = 0, last = ProcGlobal->allProcCount;
#else
    // The slots of background workers follow those of sessions and of autovacuum.
    uint32 first = MaxConnections + autovacuum_max_workers + 1;
    uint32 last = first + max_worker_processes;
#endif
    for (uint32 i = first; i < last && i < ProcGlobal->allProcCount; ++i) {
        PGPROC* process = &ProcGlobal->allProcs[i];
#if PG_VERSION_NUM >= 180000
        bool worker = !process->isRegularBackend;
#else
        bool worker = process->isBackgroundWorker;
#endif
        if (worker && process->pid != 0 && process->databaseId == MyDatabaseId) visit(process);
    }
}

}  // namespace specql::compat
