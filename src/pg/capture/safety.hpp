// Which expressions cannot raise an error whatever values they meet.
#pragma once

#include "pg/base/server.hpp"

namespace specql::capture {

// False only if every function in the (planned) expression is leakproof, which includes that it never fails, or is one
// of a few that are known not to.
bool mayRaise(Node* expression);

// True if it calls a function that does not come with the server: such a one may look up names when it runs.
bool callsForeign(Node* expression);

// What must hold for `condition` to hold and cannot raise an error: the conjuncts before the first that may.
Expr* safePrefix(Expr* condition);

}  // namespace specql::capture
