// The expressions of listeners while they are evaluated. They may call functions of users, which may do what they like
// but one thing: bring about that the same expressions are evaluated for another row. The server's states of
// expressions, and the slots of rows, are for one evaluation at a time.
#pragma once

#include "pg/capture/table_listeners.hpp"

namespace specql::capture {

// From beginEvaluation() to endEvaluation(), or to an error; on the stack. An error says which expressions it is of.
struct Evaluation {
    Oid relation;              // whose listeners
    const char* entity;        // the same by name
    const Listener* listener;  // the one that is evaluated; nullptr: all of them together
    ErrorContextCallback context;
};

// Raises an error if listeners of the relation are being evaluated.
void requireNotEvaluated(Oid relation);

// The same before it begins.
void beginEvaluation(Evaluation* evaluation);
void endEvaluation(const Evaluation* evaluation);

}  // namespace specql::capture
