#include "testgen/knowable.hpp"

#include <algorithm>
#include <cctype>

namespace specql::testgen {

namespace {

// Who a handler works as is not who runs the tests.
constexpr const char* roles[] = {"current_user", "user", "current_role"};

bool isOfWord(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.';
}

// Whether a word stands in an expression outside of quotes, and is no name that was given a meaning.
bool says(const std::string& text, const ExpressionFacts& facts, const std::string& word) {
    char quote = 0;
    for (size_t begin = 0, end; begin < text.size(); begin = end) {
        end = begin + 1;
        if (quote) {
            if (text[begin] == quote) quote = 0;
            continue;
        }
        if (text[begin] == '\'' || text[begin] == '"') quote = text[begin];
        if (!isOfWord(text[begin])) continue;
        while (end < text.size() && isOfWord(text[end]))
            end++;
        std::string found = text.substr(begin, end - begin);
        std::transform(found.begin(), found.end(), found.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        bool named = std::any_of(facts.names.begin(), facts.names.end(),
                                 [&](const NameUse& use) { return use.offset == begin; });
        if (found == word && !named) return true;
    }
    return false;
}

// Whether a function lies outside of pg_catalog: with a schema, or found by the analyser in one.
bool isSomebodys(const AnalysisResult& result, const CallUse& call) {
    if (call.name.size() > 1) return call.name.front() != "pg_catalog";
    return std::any_of(result.qualified.begin(), result.qualified.end(),
                       [&](const QualifiedUse& use) { return use.offset == call.offset; });
}

}  // namespace

std::string unknowable(const resolve::World& world, const resolve::Resolver& resolver,
                       const resolve::BoundExpression& bound) {
    if (bound.request < 0) return "";
    const AnalysisResult& result = resolver.results()[static_cast<size_t>(bound.request)];
    const ExpressionFacts& facts = world.facts(bound.expression);
    if (result.isVolatile) return "its value is different every time";
    if (result.isImmutable) return "";
    for (const CallUse& call : facts.calls)
        if (isSomebodys(result, call))
            return "what the function " + call.name.back() + " says is known to its author only";
    for (const char* role : roles)
        if (says(world.expressionText(bound.expression), facts, role))
            return std::string("it depends on who ") + role + " is";
    return "";
}

std::string differ(const std::string& one, const std::string& other) {
    return "to_jsonb(" + one + ") IS DISTINCT FROM to_jsonb(" + other + ")";
}

}  // namespace specql::testgen
