#include "resolve/sql_words.hpp"

#include <algorithm>

#include "text/ascii.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

std::string SqlWords::writtenOut(const Scope& scope, const std::string& name) const {
    std::vector<std::string> ways;
    if (scope.target && scope.target->columnOf(name)) ways.push_back("target." + name);
    if (!result_.binding.custom && result_.binding.entity->columnOf(name)) ways.push_back(event_.eventPrefix() + name);
    if (result_.binding.custom && event_.declaredParam(name)) ways.push_back("payload." + name);
    ways.push_back("\"" + name + "\" in double quotes");
    return "write " + join(ways, " or ") + " for the field";
}

// The field that a word of SQL could mean too; empty if there is none. Everybody reads current_date as today.
std::string SqlWords::fieldToo(const SqlValueUse& use, const Scope& scope) const {
    if (names_.inScope(scope, use.name)) return use.name;
    bool person = use.name == "current_user" || use.name == "current_role";
    bool prefixed = person && !result_.binding.custom && result_.binding.entity->columnOf(use.name.substr(8));
    return prefixed ? use.name.substr(8) : "";
}

void SqlWords::checkSqlValues(int expression, const Scope& scope) {
    for (const SqlValueUse& use : world_.facts(expression).sqlValues) {
        Pos pos = world_.locate(expression, use.offset);
        std::string field = fieldToo(use, scope);
        if (field == use.name) {
            world_.error(*action_.file, "SPQL-R105", pos,
                         use.name + " is a word of SQL with a value of its own, and a field here",
                         writtenOut(scope, use.name));
        } else if (!field.empty()) {
            world_.error(*action_.file, "SPQL-R105", pos,
                         use.name + " is a word of SQL with a value of its own, and could be the new value of " + field,
                         "write " + event_.eventPrefix() + field + " for the field");
        } else if (use.name == "user" || use.name == "current_user" || use.name == "current_role" ||
                   use.name == "session_user") {
            world_.warning(*action_.file, "SPQL-R106", pos,
                           use.name == "session_user"
                               ? "session_user is whoever's session handles the event: a retry is the worker's"
                               : use.name + " is the owner of the action in a handler, not who made the change",
                           "caller.user is the role that did it");
        }
    }
}

// A field may be called like a keyword, which PostgreSQL's parser then stumbles over.
std::string SqlWords::keywordHint(int expression, const Scope& scope) const {
    for (const std::string& word : world_.facts(expression).keywords)
        if (names_.inScope(scope, word)) return word + " is a keyword of SQL: " + writtenOut(scope, word);
    return {};
}

}  // namespace specql::resolve
