// The text of generated functions.
#pragma once

#include <string>
#include <vector>

#include "model/object.hpp"

namespace specql::emit {

// A generated function: SECURITY DEFINER with a search path nobody can capture, closed to PUBLIC.
struct FunctionText {
    std::string schema, name;
    std::string identityArguments;  // "uuid, integer"
    std::string arguments;          // "p_product_id uuid, …"
    std::string returns;
    std::string language;    // plpgsql or sql
    std::string attributes;  // STABLE, …
    std::string body;        // of a plpgsql function: the whole block; of an atomic one: its statement
    bool definer = true;
    bool atomic = false;  // BEGIN ATOMIC … END instead of a quoted body
    std::string comment;
};
Object functionObject(const FunctionText& text, const std::string& unit);
// "a, b, c" broken over lines of at most 100 columns, each moved right by `spaces`.
std::string wrapList(const std::vector<std::string>& items, size_t spaces);

}  // namespace specql::emit
