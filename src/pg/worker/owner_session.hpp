// The session of an owner worker: it is connected as the role whose code it runs. The engine's own statements run in
// transactions as the owner of the extension, code of the role in transactions of its own.
#pragma once

#include "pg/base/event_settings.hpp"
#include "pg/base/locks.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/bridge/settings.hpp"
#include "pg/bridge/spi.hpp"
#include "pg/worker/owners.hpp"
#include "pg/worker/session.hpp"

extern "C" {
#include "utils/timeout.h"
}

namespace specql::worker {

struct OwnerWorker {
    Oid owner;
    OwnerWorkersState* shared;  // nullptr if the coordinator has ended
    int slot;
    TimeoutId overtime;
    TimestampTz turnBegan;
    bool isGone;  // the extension or the role was dropped
};

extern OwnerWorker self;

// SIGTERM has come while no code of the role was running.
bool mustStop();

// The handler of SIGTERM: while code of the role runs it is cancelled at once; otherwise the main loop ends by itself.
void atTerminate(int signal);
// The handler of the time limit for code that has not reacted to its cancellation.
void atOvertime();

// Do roles wait for a worker, so that one which is idle must end?
bool othersWait();
bool turnIsOver();

// Locks the extension. False, and self.isGone, if it or the role was dropped.
bool canWork();

// Runs `body` in a transaction with SPI, as the owner of the extension. False after an error, which is logged. Only for
// statements that call no code of users.
template <typename Body>
bool inEnginesTransaction(Body&& body) {
    ErrorData* error = tryTransaction("specql owner", [&body] {
        if (!canWork()) return;
        // A COMMIT that waits for a standby would not heed SIGTERM.
        setLocal("synchronous_commit", "local");
        runAsExtensionOwner([&body] {
            spi::connect();
            body();
            spi::finish();
        });
    });
    return error == nullptr;
}

namespace detail {
ErrorData* inOwnersTransaction(const char* action, void (*body)(void*), void* closure);
}

// Runs `body`, which calls code of the owner for an action, in a transaction, for at most specql.handler_timeout.
// Returns nullptr or the error.
template <typename Body>
ErrorData* inOwnersTransaction(const char* action, Body&& body) {
    using Closure = std::remove_reference_t<Body>;
    return detail::inOwnersTransaction(
        action, [](void* closure) { (*static_cast<Closure*>(closure))(); },
        const_cast<void*>(static_cast<const void*>(&body)));
}

}  // namespace specql::worker
