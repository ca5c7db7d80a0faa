// From a capture function's body to expressions over the old and new row of a trigger.
#pragma once

#include "pg/capture/table_listeners.hpp"

namespace specql::capture {

// Compiles the capture function of `listener` for every operation it listens to; allocates in the current memory
// context. Appends to conditions[operation], for each branch, an expression that holds whenever the branch holds and
// that cannot raise an error, or one nullptr if there are no separate branches. Raises an error if the function has not
// the form that src/README.md describes, or if its owner has not the rights of the table's owner.
void compileCapture(Listener* listener, const char* captureName, Relation relation, ExprContext* evaluation,
                    List* conditions[operationCount]);

// The capture function of this name for the rows of a table; InvalidOid if there is none.
Oid findCaptureFunction(const char* name, Relation relation);
// The same, but raises an error if there is none.
Oid requireCaptureFunction(const char* name, Relation relation);
// Which table's rows the body of a capture function reads: those of `relation` or of another table. A body that reads
// no column, or that cannot be parsed, gives `unknown`.
enum class CaptureTarget { table, another, unknown };
CaptureTarget captureTargetOf(Oid function, Relation relation);

// The owner of a function; an error if there is no such function.
Oid functionOwner(Oid function);
// Raises an error unless `functionOwner` has the rights of the table's owner: only such a role may have code run for
// each write to the table. `what` names the function's part in the message.
void requireRightsOver(Relation relation, Oid functionOwner, const char* what);

// Makes an expression ready to be evaluated, in the current memory context. EXECUTE privileges on its functions are
// checked here, for `owner`.
ExprState* initExpression(Expr* expression, Oid owner);

// The descriptor of a captured row with `outputs` more columns, whose entries the caller must initialise.
TupleDesc makeRowDescriptor(int outputs);

}  // namespace specql::capture
