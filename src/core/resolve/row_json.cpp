#include "resolve/row_json.hpp"

namespace specql::resolve {

std::optional<RowJson> rowJson(const ExpressionFacts& facts, const std::string& text, const NameUse& use) {
    for (const CallUse& candidate : facts.calls) {
        const std::string& function = candidate.name.back();
        if (candidate.name.size() > 2 || (candidate.name.size() == 2 && candidate.name.front() != "pg_catalog"))
            continue;
        if (function != "to_jsonb" && function != "to_json" && function != "row_to_json") continue;
        if (candidate.args != 1 || candidate.offset >= use.offset) continue;
        // Between the two stands nothing but the name and its parenthesis.
        std::string between = text.substr(candidate.offset, use.offset - candidate.offset);
        size_t open = between.find('(');
        size_t end = text.find_first_not_of(" \n\t", use.offset + use.length);
        if (open == std::string::npos || between.find_first_not_of(" \n\t", open + 1) != std::string::npos ||
            end == std::string::npos || text[end] != ')')
            continue;
        return RowJson{candidate.offset, end + 1 - candidate.offset, function == "to_jsonb"};
    }
    return std::nullopt;
}

}  // namespace specql::resolve
