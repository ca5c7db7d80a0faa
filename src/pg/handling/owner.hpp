// Code of a role that runs in a session of another one: a failed event that is tried again, a function that is called
// for a role. Every call of such code goes through asOwner().
#pragma once

#include "pg/base/server.hpp"

namespace specql::handling {

namespace detail {
void asOwner(Oid owner, void (*body)(void*), void* closure);
}

// Runs `body` with the rights of `owner`, for whom it is.
//
// In a session of the owner that is all there is to it: what the code puts off until the end of the transaction runs as
// the owner too. In any other session nothing of it outlives the call: it is a security-restricted operation (the
// server refuses SET ROLE, temporary tables, prepared statements, cursors WITH HOLD and whatever would defer a
// trigger), so constraints are checked at once; the settings of the role are in force, and those that the code changes
// are undone; portals that it has left open are closed. What the session itself had put off by then fires before, with
// its rights.
//
// An error leaves all that to the abort of the (sub)transaction, which must be one that began for this call.
template <typename Body>
void asOwner(Oid owner, Body&& body) {
    using Closure = std::remove_reference_t<Body>;
    detail::asOwner(
        owner, [](void* closure) { (*static_cast<Closure*>(closure))(); },
        const_cast<void*>(static_cast<const void*>(&body)));
}

void initOwners();

}  // namespace specql::handling
