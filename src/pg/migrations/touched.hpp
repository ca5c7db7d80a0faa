// What a command is about to change of tables, read from its parse tree.
#pragma once

#include "pg/base/server.hpp"

namespace specql::migrations {

// The columns whose type a command changes or which it drops; with column 0 the whole relation, which it drops.
struct Touched {
    List* relations = NIL;  // OIDs
    List* columns = NIL;    // integers, one for each relation
};

// Relations that the current user may not change are left out: the server refuses the command by itself.
Touched touchedBy(Node* command);

// A column that a command gives another name, or drops.
struct Respelled {
    Oid relation;
    const char* former;
    const char* present;  // nullptr: it is dropped
};
// List of Respelled, for a command that has just been done.
List* respelledBy(Node* command);

}  // namespace specql::migrations
