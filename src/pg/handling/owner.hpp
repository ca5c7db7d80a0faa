// Calls of a role's code that no statement of a user makes: retries, released events, matches, functions called for a
// role. Every such call goes through asOwner().
#pragma once

#include "pg/base/server.hpp"

namespace specql::handling {

namespace detail {
void asOwner(Oid owner, void (*body)(void*), void* closure);
}

// Runs `body` with the rights of `owner`. The settings that specql.context names begin with their defaults, and
// settings that the code changes are as before when it ends, whether or not it fails.
//
// In a session of the owner nothing else happens: triggers that the code defers run as the owner anyway. In a
// session of another role nothing that the code does may run later with that role's rights. So the body is a
// security-restricted operation, in which the server refuses SET ROLE, temporary tables, prepared statements, cursors
// WITH HOLD and deferred triggers. Constraints are checked at once. The role's ALTER ROLE settings are in force.
// Cursors that it leaves open are closed. Triggers that the session itself
// has deferred are fired before, with the session's rights.
//
// After an error the abort of the (sub)transaction restores all of this; so the call must be made in a subtransaction,
// or a transaction, of its own.
template <typename Body>
void asOwner(Oid owner, Body&& body) {
    using Closure = std::remove_reference_t<Body>;
    detail::asOwner(
        owner, [](void* closure) { (*static_cast<Closure*>(closure))(); },
        const_cast<void*>(static_cast<const void*>(&body)));
}

// Installs the hook that refuses SET CONSTRAINTS in restricted calls. Called once per backend, when the library is
// loaded.
void initOwners();

}  // namespace specql::handling
