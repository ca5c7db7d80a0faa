// Deferred constraints of the tables that a handler writes: they are tried before its subtransaction ends, so that a
// violation is an error of the handler and not of the user's COMMIT.
#pragma once

#include "pg/base/server.hpp"

namespace specql::handling {

// Begins to note, for each frame, the deferrable constraints of the tables that statements inside of it have written.
void initDeferred();

// What the constraints (a list of oids of pg_constraint) say of the rows written so far, with the rights of the
// session: the error of the first violation, or nullptr. All constraints of the same name in a schema are asked (all of
// the transaction, if the session may not use such a schema), and all pending rows of the transaction. The error is in
// the current memory context.
//
// What foreign keys and unique constraints find good is not looked at again, so that a transaction of many statements
// does not check its first rows with each of them. Of others, as constraint triggers of users, nothing remains: they
// run again at COMMIT. So it is for all once the session has said SET CONSTRAINTS, and that stays as it has said.
ErrorData* deferredViolation(const List* constraints);

// That a session says SET CONSTRAINTS; false at the end of a transaction.
void noteConstraintsSet(bool areSet);

}  // namespace specql::handling
