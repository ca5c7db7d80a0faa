// Field types of the language and what they are in PostgreSQL.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "model/facts.hpp"

namespace specql::resolve {

// What a field's type becomes.
struct ColumnType {
    bool ok = false;
    std::string sql;    // "integer", "timestamp with time zone", "text"
    std::string check;  // SQL over `%s`, the quoted column; empty: none
    std::string error;
    std::string hint;  // to the error
    bool hasEquality = true;
};

// The type text that PostgreSQL should be asked about, or empty when the language itself knows the type
// (timestamp, enum, ref, email, …). list(T) asks about T.
std::string typeToLookUp(std::string_view type);

// `types` holds what PostgreSQL said of each typeToLookUp().
ColumnType columnType(std::string_view type, const std::map<std::string, TypeView>& types);

// The element type of an array type ("integer[]" → "integer"); empty if it is none.
std::string elementType(std::string_view type);

// True if a value of type `from` may stand where `to` is declared when a table is adopted: the same type, or one that
// holds every value of it (varchar for text, bigint for integer).
bool compatible(std::string_view declared, std::string_view actual);

}  // namespace specql::resolve
