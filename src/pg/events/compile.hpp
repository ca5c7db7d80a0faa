// From a capture function's body to expressions over the old and new row of a trigger.
#pragma once

#include "pg/events/rules.hpp"

namespace specql {

// Compiles the capture function of `rule` for every operation it listens to; allocates in the current memory context.
// Appends to conditions[operation] what must hold for each branch to hold and cannot raise an error, or nullptr if
// nothing of that kind is known. An error if the function is not of the form that src/README.md describes.
void compileCapture(Rule* rule, const char* captureName, Relation relation, ExprContext* evaluation,
                    List* conditions[operationCount]);

// Makes an expression ready to be evaluated. Rights to call its functions are checked here, and are those of `owner`.
ExprState* initExpression(Expr* expression, Oid owner);

// The shape of a captured row with `outputs` more columns, which the caller describes.
TupleDesc makeShape(int outputs);

}  // namespace specql
