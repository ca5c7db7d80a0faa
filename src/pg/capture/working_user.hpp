// The role for which a session works. It differs from the user of the session inside of restricted calls: code of a
// role that runs in a session of another one. handling/owner.hpp makes such calls; this is their stack.
#pragma once

#include "pg/base/server.hpp"

namespace specql::capture {

// Is a restricted call running?
bool inRestrictedCall();
// Pushes a call with code of `owner`.
void beginRestrictedCall(Oid owner);
// Pops the innermost call. True if it was the outermost one.
bool endRestrictedCall();

// The owner of the innermost restricted call; outside of such calls the role that SET ROLE has chosen, or the user of
// the session. SECURITY DEFINER functions do not change it.
Oid workingUser();

// Pops the calls that began in this subtransaction, when it aborts; with InvalidSubTransactionId all calls, at the end
// of the transaction.
void forgetRestrictedCalls(SubTransactionId subtransaction);

}  // namespace specql::capture
