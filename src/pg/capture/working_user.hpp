// For whom a session works while it runs code of a role for that role: the stack of restricted calls (see
// handling/owner.hpp, which makes them).
#pragma once

#include "pg/base/server.hpp"

namespace specql::capture {

// Is the innermost call of a role's code restricted, in a session of another role?
bool inRestrictedCall();
void beginRestrictedCall(Oid owner);
// True if it was the outermost.
bool endRestrictedCall();

// For whom this session works: the owner of the innermost restricted call, else the role that SET ROLE has chosen or
// the user of the session, whatever function this is in.
Oid workingUser();

// At the abort of a subtransaction, and (InvalidSubTransactionId) at the end of the transaction: its calls are over.
void forgetOwnersOf(SubTransactionId subtransaction);

}  // namespace specql::capture
