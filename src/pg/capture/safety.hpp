// Which expressions cannot raise an error whatever values they meet.
#pragma once

#include "pg/base/server.hpp"

namespace specql::capture {

// False only if every function in the (planned) expression is leakproof, which includes that it never fails, or is one
// of a few that are known not to.
bool mayRaise(Node* expression);

// What can happen when a value of a type is written by to_jsonb().
enum class JsonSafety {
    safe,      // nothing but that it is too large
    nested,    // it may need too much stack if it is large
    mayRaise,  // an error
    foreign    // an error, and code that does not come with the server: an output function, or a cast to json
};
JsonSafety jsonSafety(Oid type);

// True if the expression calls a function that does not come with the server, which may look objects up on the search
// path.
bool callsForeign(Node* expression);

// The conjuncts of `condition` before the first one that may raise an error. It holds whenever `condition` does; it is
// the constant true if already the first conjunct may raise an error. Allocates in the current memory context.
Expr* safePrefix(Expr* condition);

}  // namespace specql::capture
