// Commands of specql's own that change the catalog: those of apply, and those that put functions aside and make them
// again. The event triggers of pg/migrations look after the commands of others only.
#pragma once

#include "pg/compat.hpp"

namespace specql {

// Is one of them running?
bool inOwnCommands();

namespace detail {
void runOwnCommands(void (*body)(void*), void* closure);
}

// Runs `body`, whose commands are specql's own. An error of the server passes through.
template <typename Body>
void asOwnCommands(Body&& body) {
    using Closure = std::remove_reference_t<Body>;
    detail::runOwnCommands([](void* closure) { (*static_cast<Closure*>(closure))(); },
                           const_cast<void*>(static_cast<const void*>(&body)));
}

}  // namespace specql
