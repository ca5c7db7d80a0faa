// Calls of the server while C++ objects with destructors are alive.
#pragma once

#include "pg/bridge/error.hpp"

namespace specql {

namespace detail {
void guardedCall(void (*body)(void*), void* closure);
}

// Runs `body` so that an error of the server arrives as a ServerError, thrown from here, with its whole ErrorData.
// `body` itself, and what it calls, must hold only trivially destructible locals where the server can raise an error.
// Locks and buffers that an error in `body` leaves behind stay until the (sub)transaction ends: whoever swallows the
// ServerError must have used trySubtransaction() instead.
template <typename Body>
void guarded(Body&& body) {
    using Closure = std::remove_reference_t<Body>;
    detail::guardedCall([](void* closure) { (*static_cast<Closure*>(closure))(); },
                        const_cast<void*>(static_cast<const void*>(&body)));
}

}  // namespace specql
