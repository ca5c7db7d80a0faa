// From a capture function's body to expressions over the old and new row of a trigger.
#pragma once

#include "pg/capture/rules.hpp"

namespace specql::capture {

// Compiles the capture function of `rule` for every operation it listens to; allocates in the current memory context.
// Appends to conditions[operation] what must hold for each branch to hold and cannot raise an error, or nullptr if
// nothing of that kind is known. An error if the function is not of the form that src/README.md describes.
void compileCapture(Rule* rule, const char* captureName, Relation relation, ExprContext* evaluation,
                    List* conditions[operationCount]);

// The capture function of this name for the rows of a table; InvalidOid if there is none.
Oid findCapture(const char* name, Relation relation);
// The same, and an error if there is none.
Oid captureFunction(const char* name, Relation relation);
// Whether its body is about the rows of this table or of another one; a body of constants does not tell.
enum class Captures { table, another, unknown };
Captures capturesRowsOf(Oid function, Relation relation);

Oid functionOwner(Oid function);
// An error unless the owner of an action's function has the rights of the table's owner: code that runs for the table
// is that owner's, or that of somebody who may do all that the owner may.
void requireRightsOver(Relation relation, Oid functionOwner, const char* what);

// Makes an expression ready to be evaluated. Rights to call its functions are checked here, and are those of `owner`.
ExprState* initExpression(Expr* expression, Oid owner);

// The shape of a captured row with `outputs` more columns, which the caller describes.
TupleDesc makeShape(int outputs);

}  // namespace specql::capture
