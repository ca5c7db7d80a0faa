// Generated tests run with the rights of the role that owns the tested actions, whoever runs the tests.
#pragma once

#include "pg/compat.hpp"

namespace specql::testing {

// Raises SQ101 unless the current user has the rights of the role that owns the tested actions.
void requireSuiteOwner(Oid owner);

// Does the statement only set specql.clock_offset? That needs a superuser, so it is run as whoever runs the tests.
bool movesClock(const char* sql);

// Runs `body` as `owner`. After an error the abort of the (sub)transaction restores the user.
template <typename Body>
void asSuiteOwner(Oid owner, Body&& body) {
    Oid user;
    int securityContext;
    GetUserIdAndSecContext(&user, &securityContext);
    if (owner != user) SetUserIdAndSecContext(owner, securityContext | SECURITY_LOCAL_USERID_CHANGE);
    body();
    SetUserIdAndSecContext(user, securityContext);
}

}  // namespace specql::testing
