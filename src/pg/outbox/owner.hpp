// Work that the worker, a superuser, does for the owner of an action: with that role's rights.
#pragma once

#include "pg/events/server.hpp"

namespace specql {

// An error leaves the user to be restored by the abort of the (sub)transaction, as PostgreSQL does.
template <typename Body>
void asOwner(Oid owner, Body&& body) {
    Oid user;
    int securityContext;
    GetUserIdAndSecContext(&user, &securityContext);
    SetUserIdAndSecContext(owner, securityContext | SECURITY_LOCAL_USERID_CHANGE);
    body();
    SetUserIdAndSecContext(user, securityContext);
}

}  // namespace specql
