// What a text says was called otherwise before, and what of it is there.
#pragma once

#include <string>
#include <vector>

#include "text/diagnostic.hpp"

namespace specql {

enum class RenameKind { column };

// Is something there under its new name, or under a former one? Each name is given as it can stand in the catalog.
struct RenameQuestion {
    RenameKind kind = RenameKind::column;
    std::string schema, table;         // of a column
    std::vector<std::string> names;    // the new one; the first is the one to give
    std::vector<std::string> formers;  // the newest first
    std::string object;                // what the step shows: the table, quoted and qualified
    Pos pos;
};

// Empty where nothing is there under such a name.
struct RenameAnswer {
    std::string name, former;
};

}  // namespace specql
