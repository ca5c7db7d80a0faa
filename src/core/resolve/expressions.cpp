// Expressions bound name by name, and the types of payload keys (language.md section 5).
#include <algorithm>

#include "emit/quote.hpp"
#include "resolve/action_resolver.hpp"
#include "spec/habits.hpp"
#include "spec/sql_text.hpp"

namespace specql {

void ActionResolver::notePayload(const std::string& name) {
    if (result_.payload.emplace(name, "").second) result_.payloadOrder.push_back(name);
}

std::vector<std::string> ActionResolver::namesInReach(const Scope& scope) const {
    std::vector<std::string> names;
    auto add = [&](const EntityInfo* entity) {
        if (!entity) return;
        for (const ColumnInfo& column : entity->columns)
            names.push_back(column.name);
    };
    add(scope.target);
    add(scope.handled);
    add(result_.binding.entity);
    for (const Context& way : ways_)
        add(way.entity);
    if (const EntityInfo* entity = result_.binding.entity) {
        names.push_back(entity->word + "_id");
        for (const std::string& word : words(result_.binding.changedColumn)) {
            names.push_back("new_" + word);
            names.push_back("previous_" + word);
        }
    }
    for (const NamedType& known : metaNames)
        names.push_back(known.name);
    for (const Value& local : scope.locals)
        names.push_back(local.name);
    for (const MatchKey& key : matchKeys_)
        names.push_back(key.name);
    if (result_.window)
        for (const NamedType& known : matchNames)
            names.push_back(known.name);
    return names;
}

BoundExpression ActionResolver::bind(ExpressionRef ref, const std::string& target, const Scope& scope,
                                     const ColumnInfo* column) {
    BoundExpression bound;
    if (!ref) return bound;  // the reader has said what is missing
    world_.poll();
    bound.expression = ref.id + action_.file->expressionBase;
    bound.target = target;
    const ExpressionFacts& facts = world_.facts(bound.expression);
    if (!facts.ok) {
        if (world_.trying() || resolver_.badExpressions_.insert(bound.expression).second) {
            std::string keyword = keywordHint(bound.expression, scope);
            world_.error(*action_.file, facts.code, world_.locate(bound.expression, facts.errorOffset), facts.error,
                         keyword.empty() ? facts.hint : keyword);
        }
        return bound;
    }
    bool known = true;
    std::set<int> eventSide = rightTwins(facts, scope);
    for (size_t i = 0; i < facts.names.size(); i++) {
        const NameUse& use = facts.names[i];
        Value value;
        NameProblem problem;
        if (!lookup(scope, use, eventSide.count(static_cast<int>(i)) > 0, value, problem)) {
            unknownName(bound.expression, use, scope, column, problem);
            known = false;
        }
        if (value.kind == ValueKind::payload && !value.name.empty()) notePayload(value.name);
        bound.values.push_back(std::move(value));
    }
    checkSqlValues(bound.expression, scope);
    checkRowTests(bound);
    if (scope.target || column) checkMissingRows(bound);
    hintPayloadTypes(facts, bound);
    if (!known) bound.values.clear();  // its type would only be a second complaint
    return bound;
}

std::string wordHint(const NameUse& use, const std::string& expression, const std::string& near) {
    const std::string& word = use.parts.back();
    if (use.parts.size() == 1 && expression[use.offset] == '"')
        return "a text is written in single quotes: '" + word + "'; double quotes are for names";
    const char* meant = use.parts.size() == 1 ? habit(Habit::word, word) : nullptr;
    if (meant) return meant;
    if (!near.empty()) return "did you mean " + near + "?";
    return use.parts.size() == 1 ? "a text value is quoted: \"'" + word + "'\"" : "";
}

void ActionResolver::unknownName(int expression, const NameUse& use, const Scope& scope, const ColumnInfo* column,
                                 const NameProblem& problem) {
    std::string name = join(use.parts, ".");
    Pos pos = world_.locate(expression, use.offset);
    if (!problem.message.empty()) {
        world_.error(*action_.file, problem.code, pos, problem.message, problem.hint);
        return;
    }
    if (use.parts.size() == 2 && ofTakenRef(scope, use.parts[0])) {
        refuseTakenRef(pos, use, scope);
        return;
    }
    std::string hint;
    if (column && column->field && use.parts.size() == 1) {
        std::string value = nearestOfFew(name, column->field->enumValues);
        if (!value.empty()) hint = "a text value is quoted: \"'" + value + "'\"";
    }
    if (hint.empty() && world_.wantsHints() && !world_.trying()) {
        std::string near = nearest(use.parts.back(), namesInReach(scope));
        hint = wordHint(use, world_.expressionText(expression), near);
    }
    world_.error(*action_.file, "SPQL-R040", pos, "unknown name " + name, hint);
}

void ActionResolver::hint(const std::string& key, const std::string& type) {
    if (!type.empty() && type != "record" && !hints_.count(key)) hints_[key] = type;
}

void ActionResolver::hintPayloadTypes(const ExpressionFacts& facts, const BoundExpression& bound) {
    for (size_t i = 0; i < bound.values.size(); i++) {
        if (bound.values[i].kind != ValueKind::payload) continue;
        const NameUse& use = facts.names[i];
        const std::string& key = bound.values[i].name;
        bool whole = facts.names.size() == 1 && use.length == world_.expressionText(bound.expression).size();
        if (whole) hint(key, bound.target);
        for (int peer : use.peers)
            if (bound.values.size() > static_cast<size_t>(peer) && bound.values[peer].kind != ValueKind::payload)
                hint(key, bound.values[peer].type);
        if (!use.castTo.empty()) continue;
        // A literal says less than a column: `price > 0` may well be a numeric.
        if (!use.literalPeer.empty()) literalHints_.emplace(key, use.literalPeer);
        // `-ordered_quantity` assigned to an integer: one name, one number-like target
        bool number = bound.target == "integer" || bound.target == "bigint" || startsWith(bound.target, "numeric");
        if (number && facts.names.size() == 1 && facts.calls.empty()) hint(key, bound.target);
    }
}

void ActionResolver::inferPayloadTypes() {
    for (auto& [key, type] : result_.payload)
        type = payloadType(key);
    auto fix = [&](Value& value) {
        if (value.kind != ValueKind::payload) return;
        value.type = result_.payload[value.name];
        value.shown = "payload key " + value.name + " (" + value.type + ")";
    };
    for (Context& context : result_.contexts)
        fix(context.key);
    forEachExpression(result_, [&](BoundExpression& bound) {
        for (Value& value : bound.values)
            fix(value);
    });
    if (!world_.trying()) explain();
}

std::string ActionResolver::payloadType(const std::string& key) {
    for (const Param& param : action_.spec->params) {
        if (param.name.value != key) continue;
        ColumnType type = columnType(param.type.value, world_.catalog().types);
        if (type.ok) return type.sql;
        world_.error(*action_.file, "SPQL-R010", param.type.pos,
                     "unknown type " + param.type.value + " of parameter " + key,
                     "use a type of the language or one PostgreSQL knows");
    }
    for (const MatchKey& known : matchKeys_)
        if (known.name == key && !known.type.empty()) return known.type;
    for (const Context& context : result_.contexts)
        if (context.key.kind == ValueKind::payload && context.key.name == key)
            return context.entity->column(context.entity->key)->type;
    for (const EntityInfo* entity : touched_)
        if (const ColumnInfo* column = entity->column(key))
            if (!column->type.empty()) return column->type;
    for (const Context& way : ways_)
        if (const ColumnInfo* column = way.entity->column(key)) return column->type;
    for (const EntityInfo& entity : world_.entities)
        if (entity.home == action_.schema && entity.unit && !entity.impliedByStep)
            if (const ColumnInfo* column = entity.column(key)) return column->type;
    if (endsWith(key, "_id")) return "uuid";
    auto found = hints_.find(key);
    if (found != hints_.end()) return found->second;
    found = literalHints_.find(key);
    return found == literalHints_.end() ? "text" : found->second;
}

void ActionResolver::explain() {
    std::set<std::string> seen;
    forEachExpression(result_, [&](BoundExpression& bound) {
        const ExpressionFacts& facts = world_.facts(bound.expression);
        for (size_t i = 0; i < bound.values.size(); i++) {
            const Value& value = bound.values[i];
            std::string name = join(facts.names[i].parts, ".");
            if (value.rule.empty() || !seen.insert(name + "\n" + value.shown).second) continue;
            world_.addExplanation({action_.name(), name, value.shown, value.rule,
                                   world_.locate(bound.expression, facts.names[i].offset).line});
        }
    });
}

}  // namespace specql
