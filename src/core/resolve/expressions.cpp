#include "resolve/expressions.hpp"

#include <algorithm>

#include "spec/habits.hpp"
#include "text/ascii.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

std::string wordHint(const NameUse& use, const std::string& expression, const std::string& near) {
    const std::string& word = use.parts.back();
    if (use.parts.size() == 1 && expression[use.offset] == '"')
        return "a text is written in single quotes: '" + word + "'; double quotes are for names";
    const char* meant = use.parts.size() == 1 ? spec::habit(spec::Habit::word, word) : nullptr;
    if (meant) return meant;
    if (!near.empty()) return "did you mean " + near + "?";
    return use.parts.size() == 1 ? "a text value is quoted: \"'" + word + "'\"" : "";
}

BoundExpression ExpressionBinder::bind(spec::ExpressionRef ref, const std::string& target, const Scope& scope,
                                       const ColumnInfo* column) {
    BoundExpression bound;
    if (!ref) return bound;  // the reader has said what is missing
    world_.poll();
    bound.expression = ref.id + action_.file->expressionBase;
    bound.target = target;
    const ExpressionFacts& facts = world_.facts(bound.expression);
    if (!facts.ok) {
        if (world_.trying() || resolver_.isFirstReport(bound.expression)) {
            std::string keyword = sqlWords_.keywordHint(bound.expression, scope);
            world_.report(*action_.file, facts.code, world_.locate(bound.expression, facts.errorOffset), facts.error,
                          keyword.empty() ? facts.hint : keyword);
        }
        return bound;
    }
    bool known = bindTables(bound);
    if (!known) return bound;
    std::set<int> eventSide = rightTwins(facts, scope);
    for (size_t i = 0; i < facts.names.size(); i++) {
        const NameUse& use = facts.names[i];
        Value value;
        NameProblem problem;
        bool found = use.query >= 0
                         ? lookupInQuery(bound, scope, use, value, problem)
                         : names_.lookup(scope, use, eventSide.count(static_cast<int>(i)) > 0, value, problem);
        // Of a function that is called for a row a value of the field would else be one more parameter.
        const bool isWhole = use.parts.size() == 1 && use.length == world_.expressionText(bound.expression).size();
        if (found && isWhole && action_.spec->ofRow && value.kind == ValueKind::payload && column && column->field &&
            !event_.declaredParam(value.name)) {
            const std::vector<std::string>& values = column->field->enumValues;
            found = std::find(values.begin(), values.end(), value.name) == values.end();
            if (!found) value = {};
        }
        if (!found) {
            unknownName(bound.expression, use, scope, column, problem);
            known = false;
        }
        if (value.kind == ValueKind::payload && !value.name.empty()) event_.notePayload(value.name);
        bound.values.push_back(std::move(value));
    }
    sqlWords_.checkSqlValues(bound.expression, scope);
    words_.checkRowTests(bound);
    words_.checkMissingRows(bound, scope);
    types_.hintPayloadTypes(facts, bound);
    if (!known) bound.values.clear();  // its type would only be a second complaint
    return bound;
}

// What a name of several parts may have meant: a key of JSON, or a row that is not read here.
std::string ExpressionBinder::partHint(const NameUse& use, const Scope& scope) const {
    const std::string& first = use.parts.front();
    auto isJson = [](const std::string& type) { return type == "jsonb" || type == "json"; };
    bool json = std::any_of(scope.locals.begin(), scope.locals.end(),
                            [&](const LocalName& local) { return local.name == first && isJson(local.value.type); });
    for (const spec::Param& param : action_.spec->params)
        json = json || (result_.binding.custom && param.name.value == first && isJson(param.type.value));
    const ColumnInfo* column = result_.binding.custom ? nullptr : result_.binding.entity->columnOf(first);
    if (json || (column && isJson(column->type))) {
        std::string path = first;
        for (size_t i = 1; i < use.parts.size(); i++)
            path += (i + 1 < use.parts.size() ? " -> " : " ->> ") + quoteLiteral(use.parts[i]);
        return first + " is JSON: write " + path;
    }
    // PostgreSQL folds drivenBy before anybody sees it.
    auto squeezed = [](std::string word) {
        word.erase(std::remove(word.begin(), word.end(), '_'), word.end());
        return word;
    };
    for (const Context& way : event_.ways())
        if (way.via < 0 && way.path != first && squeezed(way.path) == squeezed(first) && !way.byPathOnly)
            return "did you mean " + way.path + "." + join({use.parts.begin() + 1, use.parts.end()}, ".") + "?";
    bool isRef = column && column->field && !column->field->refTarget.empty();
    return isRef && result_.isFeed()
               ? "a FILTER reads the event's own row and none that it refers to: a function can, or "
                 "keep the value in " +
                     result_.binding.entity->name
               : "";
}

void ExpressionBinder::unknownName(int expression, const NameUse& use, const Scope& scope, const ColumnInfo* column,
                                   const NameProblem& problem) {
    std::string name = join(use.parts, ".");
    Pos pos = world_.locate(expression, use.offset);
    if (!problem.message.empty()) {
        world_.report(*action_.file, problem.code, pos, problem.message, problem.hint);
        return;
    }
    if (use.parts.size() == 2 && names_.ofTakenRef(scope, use.parts[0])) {
        refuseTakenRef(pos, use, scope);
        return;
    }
    std::string hint = use.parts.size() == 1 ? "" : partHint(use, scope);
    if (column && column->field && use.parts.size() == 1) {
        std::string value = nearestOfFew(name, column->field->enumValues);
        if (!value.empty()) hint = "a text value is quoted: \"'" + value + "'\"";
    }
    if (hint.empty() && world_.wantsHints() && !world_.trying()) {
        std::string near = nearest(use.parts.back(), names_.namesInReach(scope));
        if (function_ && use.parts.size() == 1 && near == name)
            hint = "declare it as a parameter: params: {" + name + ": " + types_.payloadType(name) + "}";
        else
            hint = wordHint(use, world_.expressionText(expression), near.empty() ? near : quoteName(near));
    }
    world_.report(*action_.file, Code::R040, pos, "unknown name " + name, hint);
}

void ExpressionBinder::refuseTakenRef(Pos pos, const NameUse& use, const Scope& scope) {
    const std::string& ref = use.parts[0];
    if (result_.items)
        return world_.report(
            *action_.file, Code::R141, pos,
            join(use.parts, ".") + " is of a row that each element of " + result_.items->parameter +
                " leads to, and only values of " + scope.handled->name + " are known here",
            "give " + scope.handled->name + " a field of this value, and write " + scope.handled->word + ".<field>");
    world_.report(*action_.file, Code::R141, pos,
                  join(use.parts, ".") + " would be read of the row that " + ref + " of each taken " +
                      scope.handled->name + " names, and steps behind an allocation see the taken row alone",
                  "call a function that reads it, f(" + ref + "), or keep it in " + scope.handled->name);
}

}  // namespace specql::resolve
