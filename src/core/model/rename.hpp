// What a text says was called otherwise before, and what of it is there.
#pragma once

#include <string>
#include <vector>

#include "text/diagnostic.hpp"

namespace specql {

enum class RenameKind { entity, action, service, column, value };

// Is something there under its new name, or under a former one? Each name is given as it can stand in the catalog; that
// of an entity or action has its schema.
struct RenameQuestion {
    RenameKind kind = RenameKind::column;
    std::string schema, table;         // of a column or value; of an entity where its rows shall be
    std::string column;                // of a value
    std::vector<std::string> names;    // the new one; the first is the one to give
    std::vector<std::string> formers;  // the newest first
    std::string object;                // what the step shows: a table is quoted and qualified
    Pos pos;
};

// Empty where nothing is there under such a name.
struct RenameAnswer {
    std::string name, former;
    std::string schema, table;      // where the rows of the former entity are, if the new table is not there
    std::string check, definition;  // of a value: the constraint that allows it, quoted, and what it says
};

}  // namespace specql
