#include "pg/bridge/interrupt.hpp"

#include "pg/bridge/guarded.hpp"

namespace specql {

namespace {

// The error that an interrupt raised while C++ objects were alive, until reportInterrupt() raises it at the boundary.
// There can be only one, because the core stops at the first.
ErrorData* heldInterrupt = nullptr;

}  // namespace

bool interruptPending() noexcept {
    if (likely(!InterruptPending)) return false;
    try {
        guarded([] { CHECK_FOR_INTERRUPTS(); });
        return false;
    } catch (ServerError& error) {
        heldInterrupt = error.release();
    } catch (...) {
        // Nothing in CHECK_FOR_INTERRUPTS throws C++ exceptions.
    }
    return true;
}

void reportInterrupt() {
    ErrorData* error = std::exchange(heldInterrupt, nullptr);
    if (error != nullptr) ReThrowError(error);
    CHECK_FOR_INTERRUPTS();
    ereport(ERROR, (errcode(ERRCODE_QUERY_CANCELED), errmsg("canceling statement due to user request")));
}

}  // namespace specql
