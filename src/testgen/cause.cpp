#include "testgen/cause.hpp"

#include <algorithm>

#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::testgen {

namespace {

// A function of another name may begin with the same words.
bool names(const std::string& text, const std::string& function) {
    for (size_t at = text.find(function); at != std::string::npos; at = text.find(function, at + 1)) {
        char next = at + function.size() < text.size() ? text[at + function.size()] : ' ';
        if (next == '(' || next == ' ' || next == ':' || next == '"') return true;
    }
    return false;
}

}  // namespace

Tested testedOf(const resolve::ResolvedAction& action) {
    const std::string& schema = action.info->schema;
    Tested tested{action.info->name(),
                  {quoteName(schema, resolve::handlerName(action)), quoteName(schema, action.base + "_capture"),
                   quoteName(schema, action.base + "_rows")},
                  {}};
    if (resolve::isBefore(*action.info)) tested.functions.push_back(quoteName(schema, "before_" + action.base));
    if (resolve::isFunction(*action.info))
        tested.functions.push_back(quoteName(schema, snakeCase(action.info->spec->name.value)));
    return tested;
}

bool isOfTested(const Tested& tested, const std::string& message, const std::string& context, bool otherwise) {
    auto anyOf = [](const std::vector<std::string>& functions, const std::string& text) {
        return std::any_of(functions.begin(), functions.end(),
                           [&](const std::string& function) { return names(text, function); });
    };
    auto named = [&](const std::string& text) { return anyOf(tested.functions, text); };
    bool refused = false;
    size_t begin = 0;
    while (begin < context.size()) {
        size_t end = std::min(context.find('\n', begin), context.size());
        std::string line = context.substr(begin, end - begin);
        begin = end + 1;
        static const std::string condition = "condition or values of action ";
        if (resolve::startsWith(line, condition)) return line.substr(condition.size()) == tested.action;
        // The test's own DO is nobody's.
        if (resolve::startsWith(line, "PL/pgSQL function inline_code_block ")) continue;
        if (!resolve::startsWith(line, "PL/pgSQL function ")) continue;
        // Its context is the whole script, which names the tested functions whatever failed.
        if (resolve::startsWith(line, "PL/pgSQL function specql.test_outcome(")) return !refused && named(message);
        if (refused || named(line)) return named(line);
        // What the tested handler does is refused by one that has no reason, unless it does something else.
        refused = anyOf(tested.contented, line);
        if (!refused) return false;
    }
    if (refused) return false;
    if (named(message) || named(context)) return true;
    return otherwise;
}

}  // namespace specql::testgen
