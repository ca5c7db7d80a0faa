// The whole row of an event, written as JSON: to_jsonb(new).
#pragma once

#include <optional>
#include <string>

#include "model/facts.hpp"

namespace specql::resolve {

struct RowJson {
    size_t offset;  // of the call, in the expression
    size_t length;
    bool isJsonb;  // else json
};

// Is the name all that a call of to_jsonb(), to_json() or row_to_json() is given? Then that call.
std::optional<RowJson> rowJson(const ExpressionFacts& facts, const std::string& text, const NameUse& use);

}  // namespace specql::resolve
