// What the sessions of all background workers have in common.
#pragma once

#include "pg/base/background_worker.hpp"

namespace specql::worker {

// Runs `body` in a transaction with SPI, as the user of the session. nullptr, or the error, which is undone, in the
// memory context that was current. `body` holds plain data only.
template <typename Body>
ErrorData* tryTransaction(const char* what, Body&& body) {
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
        EmitErrorReport();
        AbortCurrentTransaction();
        FlushErrorState();
        RESUME_INTERRUPTS();
    }
    PG_END_TRY();
    MemoryContextSwitchTo(caller);
    pgstat_report_activity(STATE_IDLE, nullptr);
    return error;
}

// The first number that a query gives; -1 for NULL or no row. With SPI.
int64_t number(const char* sql);

// Until the end of the transaction it stays there: whoever drops it and a worker do not meet halfway through its
// tables, each waiting for the other.
bool extensionIsThere();

// Whoever drops, renames, moves or copies the database needs it without sessions, and waits five seconds for that.
bool databaseIsWanted();

// Sleeps for at most `ms`, or until the latch is set. False if the database is wanted by somebody else.
bool sleepUntilWork(int64_t ms);

// A server that is started again must not meet processes of the one before.
void endWithPostmaster();

inline TimestampTz later(int64_t ms) {
    return GetCurrentTimestamp() + ms * 1000;
}

inline int64_t millisecondsUntil(TimestampTz time) {
    return Max((time - GetCurrentTimestamp()) / 1000, 0);
}

// The settings that the engine's own work needs, in every worker, whatever the role's are.
void setUpSession();

}  // namespace specql::worker
