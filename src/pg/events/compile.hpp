// From a capture function's body to expressions over the old and new row of a trigger.
#pragma once

#include "pg/events/rules.hpp"

namespace specql {

// Compiles the capture function of `rule` for every operation it listens to; allocates in the current memory context.
// Appends to conditions[operation] each branch's condition, or nullptr if the branches cannot be told apart.
// An error if the function is not of the form that src/README.md describes.
void compileCapture(Rule* rule, const char* captureName, Relation relation, ExprContext* evaluation,
                    List* conditions[operationCount]);

// The shape of a captured row with `outputs` more columns, which the caller describes.
TupleDesc makeShape(int outputs);

}  // namespace specql
