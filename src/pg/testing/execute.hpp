// Tests run code that rules and tables reach; it is that of their owner, whoever asks for the tests.
#pragma once

#include "pg/compat.hpp"

namespace specql::testing {

// An error unless the caller has the rights of the role that owns the tested actions.
void requireSuiteOwner(Oid owner);

// A statement that only sets the engine's clock, which superusers may: it is for whoever asks for the tests.
bool movesClock(const char* sql);

// After an error the abort of the (sub)transaction restores the user. Whoever owns the suite himself stays as he is.
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
