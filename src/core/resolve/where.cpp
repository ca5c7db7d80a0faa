// What a WHERE binds, and the words that mean something in SQL whatever fields there are: the checks after which a
// sentence means what a person reads in it, or is an error.
#include <algorithm>

#include "emit/quote.hpp"
#include "resolve/action_resolver.hpp"
#include "source/ascii.hpp"
#include "spec/sql_text.hpp"

namespace specql {

namespace {

bool isBare(const NameUse& use) {
    return use.parts.size() == 1;
}

// Does every row that fits say something of the target: a column of theirs in all parts of an OR, in one of an AND?
bool binds(const ConditionPart& part, const std::vector<Value>& values) {
    auto inner = [&](const ConditionPart& each) { return binds(each, values); };
    switch (part.kind) {
        case ConditionPart::Kind::all: return std::any_of(part.parts.begin(), part.parts.end(), inner);
        case ConditionPart::Kind::any: return std::all_of(part.parts.begin(), part.parts.end(), inner);
        default:
            return std::any_of(part.names.begin(), part.names.end(),
                               [&](int name) { return values[name].kind == ValueKind::target; });
    }
}

// The first name of the part that binds nothing; -1 if it has none.
int firstUnbound(const ConditionPart& part, const std::vector<Value>& values) {
    for (const ConditionPart& each : part.parts)
        if (!binds(each, values)) return firstUnbound(each, values);
    return part.names.empty() ? -1 : part.names.front();
}

}  // namespace

std::set<int> ActionResolver::rightTwins(const ExpressionFacts& facts, const Scope& scope) const {
    std::set<int> twins;
    if (!scope.target || !scope.targetFirst) return twins;
    for (const ComparisonUse& comparison : facts.comparisons) {
        if (!comparison.leftIsName || !comparison.rightIsName) continue;
        const NameUse& left = facts.names[comparison.left.front()];
        const NameUse& right = facts.names[comparison.right.front()];
        if (!isBare(left) || !isBare(right)) continue;
        const ColumnInfo* column = scope.target->columnOf(left.parts.front());
        if (column && column == scope.target->columnOf(right.parts.front())) twins.insert(comparison.right.front());
    }
    return twins;
}

std::string ActionResolver::meaningOfEvent(const Scope& scope, const NameUse& use) {
    const std::string& name = use.parts.front();
    Scope event = scope;
    event.target = nullptr;
    // Asking must not make the action read a row.
    std::vector<Context> contexts = result_.contexts;
    std::map<std::string, std::string> payload = result_.payload;
    std::vector<std::string> order = result_.payloadOrder;
    Value value;
    NameProblem problem;
    std::string written;
    if (lookupEvent(event, use, value, problem)) {
        written = value.kind == ValueKind::eventColumn ? (value.old ? "old." : "new.") + value.name
                  : value.kind == ValueKind::context   ? result_.contexts[value.context].path + "." + value.name
                  : value.kind == ValueKind::payload   ? "payload." + value.name
                  : value.kind == ValueKind::handled   ? "new." + value.name
                                                       : name;
    } else if (!problem.message.empty()) {
        written = "<ref>." + name;
    } else if (payload.count(name) || (result_.binding.custom && scope.target && name == scope.target->key)) {
        // Whoever writes `cart_id = id` means the key of something else than the target.
        written = "payload." + name;
    }
    result_.contexts = std::move(contexts);
    result_.payload = std::move(payload);
    result_.payloadOrder = std::move(order);
    return written;
}

bool ActionResolver::checkComparison(const BoundExpression& where, const ComparisonUse& comparison,
                                     const Scope& scope) {
    const ExpressionFacts& facts = world_.facts(where.expression);
    auto isTarget = [&](int name) { return where.values[name].kind == ValueKind::target; };
    auto anyTarget = [&](const std::vector<int>& side) { return std::any_of(side.begin(), side.end(), isTarget); };
    auto allTarget = [&](const std::vector<int>& side) { return std::all_of(side.begin(), side.end(), isTarget); };
    if (comparison.left.empty() || comparison.right.empty()) return true;
    auto written = [&](int name) { return join(facts.names[name].parts, "."); };
    int left = comparison.left.front(), right = comparison.right.front();
    Pos pos = world_.locate(where.expression, facts.names[left].offset);
    if (!comparison.otherOperator && !anyTarget(comparison.left) && !anyTarget(comparison.right)) {
        world_.error(*action_.file, "SPQL-R102", pos,
                     "this comparison of the WHERE is about the event alone: " + written(left) + " and " +
                         written(right) + " are both the event's",
                     "compare with a column of " + scope.target->name + ", or put it into the step's if:");
        return false;
    }
    if (!allTarget(comparison.left) || !allTarget(comparison.right)) return true;
    const std::string& entity = scope.target->name;
    for (const std::vector<int>* side : {&comparison.right, &comparison.left})
        for (int name : *side) {
            const NameUse& use = facts.names[name];
            std::string event = isBare(use) ? meaningOfEvent(scope, use) : "";
            if (event.empty()) continue;
            std::string hint = "write " + event + " for the event's, or " + entity + "." + use.parts.front() +
                               " for the column of " + entity;
            if (comparison.leftIsName && comparison.rightIsName) {
                auto ofTarget = [&](int other) {
                    return isBare(facts.names[other]) ? entity + "." + written(other) : written(other);
                };
                size_t end = facts.names[left].offset + facts.names[left].length;
                std::string compared =
                    world_.expressionText(where.expression).substr(end, facts.names[right].offset - end);
                bool isRight = side == &comparison.right;
                hint = "write " + (isRight ? written(left) + compared + event : event + compared + written(right)) +
                       " for the event's, or " + ofTarget(left) + compared + ofTarget(right) + " for two columns of " +
                       entity;
            }
            world_.error(*action_.file, "SPQL-R103", world_.locate(where.expression, use.offset),
                         written(left) + " and " + written(right) + " are both columns of " + entity + ", and " +
                             use.parts.front() + " means something of the event too",
                         hint);
            return false;
        }
    return true;
}

// One name can hardly mean the same value twice: abs(position - position), greatest(high, high).
bool ActionResolver::checkTwice(const BoundExpression& bound, const std::vector<int>& names, const Scope& scope) {
    const ExpressionFacts& facts = world_.facts(bound.expression);
    std::set<std::string> seen;
    for (int name : names) {
        const NameUse& use = facts.names[name];
        if (!isBare(use) || bound.values[name].kind != ValueKind::target) continue;
        if (seen.insert(bound.values[name].name).second) continue;
        std::string event = meaningOfEvent(scope, use);
        if (event.empty()) continue;
        const std::string& word = use.parts.front();
        world_.error(*action_.file, "SPQL-R109", world_.locate(bound.expression, use.offset),
                     word + " stands here twice as the column of " + scope.target->name +
                         ", and means something of the event too",
                     "write " + event + " where the event's is meant, and " + scope.target->name + "." + word +
                         " where the column is");
        return false;
    }
    return true;
}

bool ActionResolver::checkParts(const BoundExpression& where, const ConditionPart& part, const Scope& scope) {
    if (part.kind == ConditionPart::Kind::leaf) return checkTwice(where, part.names, scope);
    return std::all_of(part.parts.begin(), part.parts.end(),
                       [&](const ConditionPart& each) { return checkParts(where, each, scope); });
}

void ActionResolver::checkValue(const BoundExpression& bound, const Scope& scope) {
    std::vector<int> all;
    for (size_t i = 0; i < bound.values.size(); i++)
        all.push_back(static_cast<int>(i));
    checkTwice(bound, all, scope);
}

void ActionResolver::checkWhere(const BoundExpression& where, const Scope& scope, bool bound) {
    const ExpressionFacts& facts = world_.facts(where.expression);
    if (!scope.target || !facts.ok || where.values.size() != facts.names.size()) return;
    bool understood = std::none_of(facts.sqlValues.begin(), facts.sqlValues.end(),
                                   [&](const SqlValueUse& use) { return !fieldToo(use, scope).empty(); });
    for (const ComparisonUse& comparison : facts.comparisons)
        understood = checkComparison(where, comparison, scope) && understood;
    understood = understood && checkParts(where, facts.condition, scope);
    bool literal = facts.isLiteral && facts.literalType == "boolean";
    if (!understood || bound || literal || binds(facts.condition, where.values)) return;
    bool part = std::any_of(where.values.begin(), where.values.end(),
                            [](const Value& value) { return value.kind == ValueKind::target; });
    int name = firstUnbound(facts.condition, where.values);
    world_.error(*action_.file, "SPQL-R101", world_.locate(where.expression, name < 0 ? 0 : facts.names[name].offset),
                 part ? "an alternative of this WHERE says nothing about the rows of " + scope.target->name +
                            ": it would take all of them"
                      : "this WHERE says nothing about the rows of " + scope.target->name +
                            ": it would take all of them or none",
                 "name a column of " + scope.target->name +
                     "; a condition of the event alone goes into the step's if:, and "
                     "WHERE true, alone, means every row");
}

void ActionResolver::checkSelfAssignment(const BoundAssignment& assignment, const ColumnInfo& column,
                                         const Scope& scope) {
    const BoundExpression& bound = assignment.value;
    if (bound.values.size() != 1 || bound.values.front().kind != ValueKind::target) return;
    const NameUse& use = world_.facts(bound.expression).names.front();
    if (bound.values.front().name != column.name || use.length != world_.expressionText(bound.expression).size())
        return;
    std::string event = meaningOfEvent(scope, use);
    world_.error(*action_.file, "SPQL-R104", world_.locate(bound.expression, 0),
                 column.name + " of " + scope.target->name + " would be set to itself",
                 event.empty() ? "leave it out" : "write " + event + " for the event's value, or leave it out");
}

bool ActionResolver::inScope(const Scope& scope, const std::string& name) const {
    if (scope.target && scope.target->columnOf(name)) return true;
    if (scope.handled && scope.handled->columnOf(name)) return true;
    if (!result_.binding.custom && result_.binding.entity->columnOf(name)) return true;
    if (result_.binding.custom && declaredParam(name)) return true;
    for (const Value& local : scope.locals)
        if (local.name == name) return true;
    return !nearestWays([&](const EntityInfo& entity) { return entity.columnOf(name) != nullptr; }).empty();
}

std::string ActionResolver::writtenOut(const Scope& scope, const std::string& name) const {
    std::vector<std::string> ways;
    if (scope.target && scope.target->columnOf(name)) ways.push_back("target." + name);
    if (!result_.binding.custom && result_.binding.entity->columnOf(name)) ways.push_back("new." + name);
    if (result_.binding.custom && declaredParam(name)) ways.push_back("payload." + name);
    ways.push_back("\"" + name + "\" in double quotes");
    return "write " + join(ways, " or ") + " for the field";
}

// The field that a word of SQL could mean too; empty if there is none. Everybody reads current_date as today.
std::string ActionResolver::fieldToo(const SqlValueUse& use, const Scope& scope) const {
    if (inScope(scope, use.name)) return use.name;
    bool person = use.name == "current_user" || use.name == "current_role";
    bool prefixed = person && !result_.binding.custom && result_.binding.entity->columnOf(use.name.substr(8));
    return prefixed ? use.name.substr(8) : "";
}

void ActionResolver::checkSqlValues(int expression, const Scope& scope) {
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
                         "write new." + field + " for the field");
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
std::string ActionResolver::keywordHint(int expression, const Scope& scope) const {
    const std::string& text = world_.expressionText(expression);
    size_t at = world_.facts(expression).errorOffset;
    auto wordAround = [&](size_t place) {
        size_t begin = place, end = place;
        while (begin > 0 && isNamePart(text[begin - 1]))
            begin--;
        while (end < text.size() && isNamePart(text[end]))
            end++;
        std::string word = text.substr(begin, end - begin);
        std::transform(word.begin(), word.end(), word.begin(), toAsciiLower);
        return begin > 0 && text[begin - 1] == '.' ? std::string() : word;
    };
    size_t before = std::min(at, text.size());
    while (before > 0 && !isNamePart(text[before - 1]))
        before--;
    for (const std::string& word : {at < text.size() ? wordAround(at) : std::string(), wordAround(before)})
        if (!word.empty() && inScope(scope, word)) return word + " is a keyword of SQL: " + writtenOut(scope, word);
    return {};
}

}  // namespace specql
