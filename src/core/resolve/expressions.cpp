// Expressions bound name by name, and the types of payload keys.
#include <algorithm>

#include "resolve/action_resolver.hpp"
#include "spec/habits.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

namespace {

// Shorter names are near to each other without being mistaken.
constexpr size_t shortestTypo = 5;

}  // namespace

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

BoundExpression ActionResolver::bind(spec::ExpressionRef ref, const std::string& target, const Scope& scope,
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
            world_.report(*action_.file, facts.code, world_.locate(bound.expression, facts.errorOffset), facts.error,
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
    checkMissingRows(bound, scope);
    hintPayloadTypes(facts, bound);
    if (!known) bound.values.clear();  // its type would only be a second complaint
    return bound;
}

std::string wordHint(const NameUse& use, const std::string& expression, const std::string& near) {
    const std::string& word = use.parts.back();
    if (use.parts.size() == 1 && expression[use.offset] == '"')
        return "a text is written in single quotes: '" + word + "'; double quotes are for names";
    const char* meant = use.parts.size() == 1 ? spec::habit(spec::Habit::word, word) : nullptr;
    if (meant) return meant;
    if (!near.empty()) return "did you mean " + near + "?";
    return use.parts.size() == 1 ? "a text value is quoted: \"'" + word + "'\"" : "";
}

// What a name of several parts may have meant: a key of JSON, or a row that is not read here.
std::string ActionResolver::partHint(const NameUse& use, const Scope& scope) const {
    const std::string& first = use.parts.front();
    auto isJson = [](const std::string& type) { return type == "jsonb" || type == "json"; };
    bool json = std::any_of(scope.locals.begin(), scope.locals.end(),
                            [&](const Value& local) { return local.name == first && isJson(local.type); });
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
    for (const Context& way : ways_)
        if (way.via < 0 && way.path != first && squeezed(way.path) == squeezed(first) && !way.byPathOnly)
            return "did you mean " + way.path + "." + join({use.parts.begin() + 1, use.parts.end()}, ".") + "?";
    bool isRef = column && column->field && !column->field->refTarget.empty();
    return isRef && result_.isFeed()
               ? "a FILTER reads the event's own row and none that it refers to: a function can, or "
                 "keep the value in " +
                     result_.binding.entity->name
               : "";
}

void ActionResolver::unknownName(int expression, const NameUse& use, const Scope& scope, const ColumnInfo* column,
                                 const NameProblem& problem) {
    std::string name = join(use.parts, ".");
    Pos pos = world_.locate(expression, use.offset);
    if (!problem.message.empty()) {
        world_.report(*action_.file, problem.code, pos, problem.message, problem.hint);
        return;
    }
    if (use.parts.size() == 2 && ofTakenRef(scope, use.parts[0])) {
        refuseTakenRef(pos, use, scope);
        return;
    }
    std::string hint = use.parts.size() == 1 ? "" : partHint(use, scope);
    if (column && column->field && use.parts.size() == 1) {
        std::string value = nearestOfFew(name, column->field->enumValues);
        if (!value.empty()) hint = "a text value is quoted: \"'" + value + "'\"";
    }
    if (hint.empty() && world_.wantsHints() && !world_.trying()) {
        std::string near = nearest(use.parts.back(), namesInReach(scope));
        if (bulk_ && use.parts.size() == 1 && near == name)
            hint = "declare it as a parameter: params: {" + name + ": " + payloadType(name) + "}";
        else
            hint = wordHint(use, world_.expressionText(expression), near.empty() ? near : quoteName(near));
    }
    world_.report(*action_.file, Code::R040, pos, "unknown name " + name, hint);
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
    for (const spec::Param& param : action_.spec->params) {
        if (param.name.value != key) continue;
        ColumnType type = columnType(param.type.value, world_.catalog().types);
        if (type.ok) return type.sql;
        world_.report(*action_.file, Code::R010, param.type.pos,
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

// A payload may have any key, so a slip of the finger is one too.
void ActionResolver::checkKeys() {
    if (world_.trying() || !action_.file->fresh || result_.window || !world_.wantsHints()) return;
    std::vector<std::string> declared(emitted_.begin(), emitted_.end()), fields;
    for (const ActionInfo& other : world_.actions) {
        const spec::Action& spec = *other.spec;
        bool same =
            &other == &action_ ||
            (!result_.binding.event.empty() && other.schema == action_.schema &&
             (spec.trigger.value == result_.binding.event || spec.on.value == "event " + result_.binding.event));
        for (const spec::Param& param : spec.params)
            if (same) declared.push_back(param.name.value);
    }
    for (const EntityInfo* entity : touched_)
        for (const ColumnInfo& column : entity->columns)
            fields.push_back(column.name);
    for (const Context& way : ways_)
        for (const ColumnInfo& column : way.entity->columns)
            fields.push_back(column.name);
    auto known = [](const std::vector<std::string>& names, const std::string& name) {
        return std::find(names.begin(), names.end(), name) != names.end();
    };
    std::set<std::string> reported;
    forEachExpression(result_, [&](BoundExpression& bound) {
        for (size_t i = 0; i < bound.values.size(); i++) {
            const std::string& key = bound.values[i].name;
            if (bound.values[i].kind != ValueKind::payload || declaredParam(key) || known(declared, key) ||
                known(fields, key) || known(fields, key + "_id") || !reported.insert(key).second)
                continue;
            std::string near = nearest(key, declared, 2);
            if (near.empty() && key.size() >= shortestTypo) near = nearest(key, fields, 1);
            if (near.empty() || near + "_id" == key || key + "_id" == near) continue;
            world_.report(*action_.file, Code::R134,
                          world_.locate(bound.expression, world_.facts(bound.expression).names[i].offset),
                          key + " is taken for " + (bulk_ ? "a parameter" : "a key of the payload") + ", and " + near +
                              " is known",
                          "did you mean " + near + "? If not, declare it: params: {" + key + ": type}");
        }
    });
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

}  // namespace specql::resolve
