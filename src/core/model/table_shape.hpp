// What a spec wants a table to be, and what apply recorded that it made of it.
#pragma once

#include <string>
#include <vector>

namespace specql {

struct ShapeColumn {
    std::string name;
    std::string type;          // as PostgreSQL writes it
    std::string defaultValue;  // an expression; empty if there is none
    bool notNull = false;
    std::string comment;
    std::string computed = {};  // an expression of the other columns; empty if it is no generated column
    std::string identity = {};  // always or by default; empty if it is none

    // The column in CREATE TABLE and ADD COLUMN.
    std::string sql() const;
    std::string identitySql() const;  // GENERATED … AS IDENTITY
    bool sameDefinition(const ShapeColumn& other) const;
};

struct ShapeCheck {
    std::string name, condition;
    std::string column;  // whose field wants it; not recorded

    std::string sql() const;  // CONSTRAINT name CHECK (condition)
};

struct TableShape {
    std::vector<ShapeColumn> columns;
    std::vector<std::string> key;  // the columns of the primary key; empty if there is none
    std::string partition;         // RANGE (column); empty: it is not partitioned
    std::vector<ShapeCheck> checks;
    std::string comment;
    bool adopted = false;  // others made the table
    bool implied = false;  // made from the steps that write it

    const ShapeColumn* column(const std::string& name) const;
    const ShapeCheck* check(const std::string& name) const;
    // The commands that comment the table and its columns; those that `before` has already are left out.
    std::vector<std::string> comments(const std::string& identity, const TableShape& before) const;
    // As specql.object keeps it.
    std::string json() const;
};

bool operator==(const TableShape& a, const TableShape& b);
inline bool operator!=(const TableShape& a, const TableShape& b) {
    return !(a == b);
}

}  // namespace specql
