#include "pg/worker/owner_session.hpp"

#include "pg/base/worker_settings.hpp"
#include "pg/history/retry.hpp"

extern "C" {
#include "utils/portal.h"
}

namespace specql::worker {

namespace {

constexpr int turnMs = 2 * 1000;   // after working for so long, it ends if other roles wait for a slot
constexpr int graceMs = 5 * 1000;  // time that cancelled code has to end, before the session is ended

volatile sig_atomic_t stopping = false;
volatile sig_atomic_t runsCode = false;  // code of the owner is running

}  // namespace

OwnerWorker self;

bool mustStop() {
    return stopping;
}

void atTerminate(int signal) {
    if (runsCode) {
        die(signal);
        return;
    }
    int saved = errno;
    stopping = true;
    SetLatch(MyLatch);
    errno = saved;
}

void atOvertime() {
    die(SIGTERM);
}

bool othersWait() {
    return self.shared == nullptr || self.shared->wanted;
}

bool turnIsOver() {
    return stopping || (othersWait() && GetCurrentTimestamp() >= self.turnBegan + turnMs * INT64CONST(1000));
}

bool canWork() {
    self.isGone = !lockExtension() || !SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(self.owner));
    return !self.isGone;
}

namespace {

// Removes what the code of the last transaction has left in the session: cursors, settings and advisory locks.
void resetSession() {
    PortalHashTableDeleteAll();
    ResetAllOptions();
    LockReleaseSession(USER_LOCKMETHOD);
    (void)holdLock(LockKind::owner, self.owner);
}

}  // namespace

ErrorData* detail::inOwnersTransaction(const char* action, void (*body)(void*), void* closure) {
    int limit = settings::handlerTimeout;
    if (limit > 0) {
        enable_timeout_after(STATEMENT_TIMEOUT, limit);
        enable_timeout_after(self.overtime, Min(limit, INT_MAX - graceMs) + graceMs);
    }
    runsCode = true;
    bool quiet = false;
    ErrorData* error = tryTransaction(
        "specql handlers",
        [action, body, closure, &quiet] {
            if (!canWork()) return;
            quiet = history::tellsPrivate(action);
            body(closure);
        },
        &quiet);
    runsCode = false;
    if (limit > 0) {
        disable_timeout(STATEMENT_TIMEOUT, false);
        disable_timeout(self.overtime, false);
    }
    QueryCancelPending = false;
    resetSession();
    return error;
}

}  // namespace specql::worker
