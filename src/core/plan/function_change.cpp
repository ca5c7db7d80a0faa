// A function in the place of another: what callers, owners and grants see of it stays where PostgreSQL lets it.
#include "plan/function_change.hpp"

#include <algorithm>

#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::plan {

namespace {

// Two spellings of a signature. What stands in quotes is a name.
std::string comparable(const std::string& signature) {
    std::string text;
    bool quoted = false;
    for (char c : withoutModifiers(signature)) {
        if (c == '"') quoted = !quoted;
        if (quoted || (c != ' ' && c != '\n')) text += c;
    }
    return text;
}

bool closes(const Object& object, const std::string& command) {
    return command == "REVOKE ALL ON FUNCTION " + object.identity + " FROM PUBLIC;";
}

}  // namespace

std::vector<std::string> replaceFunction(const Object& object, const FunctionView& function) {
    const std::string create = "CREATE FUNCTION ";
    if (comparable(object.signature) != comparable(function.signature) ||
        object.commands.front().compare(0, create.size(), create) != 0) {
        std::vector<std::string> sql = remakeFunction(object, function);
        sql.insert(sql.begin(), "DROP FUNCTION IF EXISTS " + object.identity + ";");
        return sql;
    }
    std::vector<std::string> sql;
    for (const std::string& command : object.commands)
        if (!closes(object, command)) sql.push_back(command);  // who may execute it stays as it is
    sql.front().insert(std::string("CREATE ").size(), "OR REPLACE ");
    return sql;
}

std::vector<std::string> remakeFunction(const Object& object, const FunctionView& function) {
    std::vector<std::string> sql = object.commands;
    if (!function.callersOwn)
        sql.push_back("ALTER FUNCTION " + object.identity + " OWNER TO " + quoteName(function.owner) + ";");
    if (!function.granted) return sql;
    bool closed =
        std::any_of(sql.begin(), sql.end(), [&](const std::string& command) { return closes(object, command); });
    if (!closed) sql.push_back("REVOKE ALL ON FUNCTION " + object.identity + " FROM PUBLIC;");
    for (const Grantee& grantee : function.grantees)
        sql.push_back("GRANT EXECUTE ON FUNCTION " + object.identity + " TO " +
                      (grantee.role.empty() ? "PUBLIC" : quoteName(grantee.role)) +
                      (grantee.mayGrant ? " WITH GRANT OPTION;" : ";"));
    return sql;
}

}  // namespace specql::plan
