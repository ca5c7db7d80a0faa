// Deferred constraints of the tables that a handler writes: they are tried before its subtransaction ends, so that a
// violation is an error of the handler and not of the user's COMMIT.
#pragma once

#include "pg/base/server.hpp"

namespace specql::handling {

// Begins to note, for each frame, the deferrable constraints of the tables that statements inside of it have written.
void initDeferred();

// What the constraints (a list of oids of pg_constraint) say of the rows written so far, with the rights of the
// session: the error of the first violation, or nullptr. Nothing of that remains: their triggers run again at COMMIT,
// and SET CONSTRAINTS stays as the session has set it. All constraints of the same name in a schema are asked (all of
// the transaction, if the session may not use such a schema), and all pending rows of the transaction. The error is in
// the current memory context.
ErrorData* deferredViolation(const List* constraints);

}  // namespace specql::handling
