// Functions that the coordinating worker and the owner workers share.
#pragma once

#include "pg/base/background_worker.hpp"

namespace specql::worker {

// Runs `body` in a transaction, as the user of the session. Returns nullptr, or the error in the current memory
// context, after it was logged and the transaction aborted. `what` is shown in pg_stat_activity. `body` must hold plain
// data only. If it sets *quiet, the log has of an error no more than its code.
template <typename Body>
ErrorData* tryTransaction(const char* what, Body&& body, const bool* quiet = nullptr) {
    MemoryContext caller = CurrentMemoryContext;
    ErrorData* volatile error = nullptr;
    pgstat_report_activity(STATE_RUNNING, what);
    PG_TRY();
    {
        SetCurrentStatementStartTimestamp();
        StartTransactionCommand();
        PushActiveSnapshot(GetTransactionSnapshot());
        body();
        PopActiveSnapshot();
        CommitTransactionCommand();
    }
    PG_CATCH();
    {
        HOLD_INTERRUPTS();
        MemoryContextSwitchTo(caller);
        error = CopyErrorData();
        bool told = quiet == nullptr || !*quiet;
        if (told) EmitErrorReport();
        AbortCurrentTransaction();
        FlushErrorState();
        if (!told)
            ereport(LOG, (errcode(error->sqlerrcode),
                          errmsg("%s failed with SQLSTATE %s; what it says may quote a private field", what,
                                 unpack_sql_state(error->sqlerrcode))));
        RESUME_INTERRUPTS();
    }
    PG_END_TRY();
    MemoryContextSwitchTo(caller);
    // Now and then; autovacuum must hear of what a worker does that is never idle.
    (void)pgstat_report_stat(false);
    pgstat_report_activity(STATE_IDLE, nullptr);
    return error;
}

// The integer or bigint in the first row of a query; -1 for NULL or no row. Needs an SPI connection.
int64_t queryNumber(const char* sql);

// Locks the extension against DROP EXTENSION until the end of the transaction, so that dropping it and a worker cannot
// wait for each other's tables. False if the extension does not exist.
bool lockExtension();

// Does somebody hold or await an exclusive lock on the database, to drop, rename, move or copy it? The server waits
// five seconds for all other sessions to end, so the worker must end.
bool isDatabaseLocked();

// Sleeps for at most `ms`, or until the latch is set. False if the worker must end because of isDatabaseLocked().
bool sleepUntilWork(int64_t ms);

// Ends the process if the postmaster has died: a new one cannot start while old processes use the shared memory.
void endWithPostmaster();

inline TimestampTz later(int64_t ms) {
    return GetCurrentTimestamp() + ms * 1000;
}

inline int64_t millisecondsUntil(TimestampTz time) {
    return Max((time - GetCurrentTimestamp()) / 1000, 0);
}

// Looking for work reads rows that have gone and that an old snapshot keeps. After a look that began at `begun` and
// took longer than is free, the next one is not before this time, so that looks take a small part of the time. Whatever
// becomes due meanwhile waits so long.
inline TimestampTz nextLook(TimestampTz begun) {
    constexpr int64_t freeUs = 10 * 1000, share = 20;
    TimestampTz now = GetCurrentTimestamp();
    return now + Max(now - begun - freeUs, 0) * share;
}

// Applies the settings that the engine's own statements need, over those of the role and the database.
void setUpSession();

}  // namespace specql::worker
