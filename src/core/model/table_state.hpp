// What only the server can say of a table whose entity changed since specql made it.
#pragma once

#include <string>
#include <vector>

namespace specql {

// A column that is there and whose definition changed.
struct ColumnQuestion {
    std::string name;
    std::string type;          // as wanted, as PostgreSQL writes it
    std::string defaultValue;  // an expression; empty: none is wanted
};

struct CheckQuestion {
    std::string name;
    std::string condition;
};

struct TableQuestion {
    std::string identity;  // quoted and qualified
    std::string schema, name;
    std::vector<ColumnQuestion> columns;
    std::vector<CheckQuestion> checks;
};

enum class TypeChange {
    same,
    widening,   // every value has its equal in the new type, or PostgreSQL refuses the change
    narrowing,  // there is a cast
    impossible  // there is none
};

enum class CheckState {
    missing,
    same,
    grows,    // both are lists of values, and the wanted one has all there are
    shrinks,  // both are lists of values, and the wanted one lacks some
    differs
};

struct ColumnAnswer {
    TypeChange type = TypeChange::same;
    bool hasDefault = false;
    bool sameDefault = true;
};

// A function or materialized view that PostgreSQL knows to read a column.
struct ColumnReader {
    std::string column;
    std::string reader;  // its identity
};

struct TableAnswer {
    std::vector<ColumnAnswer> columns;  // as in the question
    std::vector<CheckState> checks;     // as in the question
    std::vector<std::string> present;   // names of the CHECK constraints there are
    std::vector<ColumnReader> readers;
};

}  // namespace specql
