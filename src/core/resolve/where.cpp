#include "resolve/where.hpp"

#include <algorithm>

#include "text/ascii.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

namespace {

bool isBare(const NameUse& use) {
    return use.parts.size() == 1;
}

// Does every row that fits say something of the target: a column of theirs in all parts of an OR, in one of an AND?
bool binds(const ConditionPart& part, const std::vector<Value>& values) {
    auto inner = [&](const ConditionPart& each) { return binds(each, values); };
    auto isTarget = [&](int name) { return values[name].kind == ValueKind::target; };
    switch (part.kind) {
        case ConditionPart::Kind::never: return true;  // takes no row
        case ConditionPart::Kind::missing:
            return !part.names.empty() && std::all_of(part.names.begin(), part.names.end(), isTarget);
        case ConditionPart::Kind::all: return std::any_of(part.parts.begin(), part.parts.end(), inner);
        case ConditionPart::Kind::any: return std::all_of(part.parts.begin(), part.parts.end(), inner);
        default: return std::any_of(part.names.begin(), part.names.end(), isTarget);
    }
}

// The first name of the part that binds nothing; -1 if it has none.
int firstUnbound(const ConditionPart& part, const std::vector<Value>& values) {
    for (const ConditionPart& each : part.parts)
        if (!binds(each, values)) return firstUnbound(each, values);
    return part.names.empty() ? -1 : part.names.front();
}

}  // namespace

bool isDemanded(const ConditionPart& part, const ComparisonUse& comparison) {
    auto inner = [&](const ConditionPart& each) { return isDemanded(each, comparison); };
    if (part.kind == ConditionPart::Kind::all) return std::any_of(part.parts.begin(), part.parts.end(), inner);
    return part.kind == ConditionPart::Kind::leaf && part.names.size() == 2 &&
           part.names[0] == comparison.left.front() && part.names[1] == comparison.right.front();
}

const Value* keyInWhere(const World& world, const ResolvedStep& step) {
    if (!step.where || !step.target || step.target->key.empty()) return nullptr;
    const ExpressionFacts& facts = world.facts(step.where.expression);
    if (!facts.ok || step.where.values.size() != facts.names.size()) return nullptr;
    for (const ComparisonUse& comparison : facts.comparisons) {
        if (!comparison.isEqual || !comparison.leftIsName || !comparison.rightIsName) continue;
        if (!isDemanded(facts.condition, comparison)) continue;
        const Value& left = step.where.values[static_cast<size_t>(comparison.left.front())];
        const Value& right = step.where.values[static_cast<size_t>(comparison.right.front())];
        auto isKey = [&](const Value& value) {
            return value.kind == ValueKind::target && value.name == step.target->key;
        };
        if (isKey(left) != isKey(right)) return isKey(left) ? &right : &left;
    }
    return nullptr;
}

std::set<int> rightTwins(const ExpressionFacts& facts, const Scope& scope) {
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

// ARRAY[id, passenger]: one bare name is the target's, though the event has it too, and its neighbour is the event's.
bool WhereChecks::checkMixedSide(const BoundExpression& where, const std::vector<int>& side, const Scope& scope) {
    const ExpressionFacts& facts = world_.facts(where.expression);
    bool mixed = std::any_of(side.begin(), side.end(), [&](int name) {
        return isBare(facts.names[name]) && where.values[name].kind != ValueKind::target;
    });
    for (int name : side) {
        const NameUse& use = facts.names[name];
        if (!mixed || !isBare(use) || where.values[name].kind != ValueKind::target) continue;
        std::string event = names_.meaningOfEvent(scope, use);
        if (event.empty()) continue;
        const std::string& word = use.parts.front();
        world_.report(*action_.file, Code::R103, world_.locate(where.expression, use.offset),
                      word + " is the column of " + scope.target->name +
                          " here, beside a value of the event, and means something of the event too",
                      "write " + event + " for the event's, or target." + word + " for the column");
        return false;
    }
    return true;
}

bool WhereChecks::checkComparison(const BoundExpression& where, const ComparisonUse& comparison, const Scope& scope) {
    const ExpressionFacts& facts = world_.facts(where.expression);
    auto isTarget = [&](int name) { return where.values[name].kind == ValueKind::target; };
    auto anyTarget = [&](const std::vector<int>& side) { return std::any_of(side.begin(), side.end(), isTarget); };
    auto allTarget = [&](const std::vector<int>& side) { return std::all_of(side.begin(), side.end(), isTarget); };
    if (comparison.left.empty() || comparison.right.empty()) return true;
    auto written = [&](int name) { return join(facts.names[name].parts, "."); };
    int left = comparison.left.front(), right = comparison.right.front();
    Pos pos = world_.locate(where.expression, facts.names[left].offset);
    if (!comparison.otherOperator && !anyTarget(comparison.left) && !anyTarget(comparison.right)) {
        world_.report(*action_.file, Code::R102, pos,
                      "this comparison of the WHERE is about the event alone: " + written(left) + " and " +
                          written(right) + " are both the event's",
                      "compare with a column of " + scope.target->name + ", or put it into the step's if:");
        return false;
    }
    bool sameColumn = comparison.leftIsName && comparison.rightIsName && isTarget(left) && isTarget(right) &&
                      where.values[left].name == where.values[right].name;
    if (sameColumn) {
        NameUse bare;
        bare.parts = {facts.names[right].parts.back()};
        std::string event = names_.meaningOfEvent(scope, bare);
        world_.report(*action_.file, Code::R103, pos,
                      written(left) + " and " + written(right) + " are both the column of " + scope.target->name,
                      "write the event's value on one side" + (event.empty() ? "" : ": " + event));
        return false;
    }
    bool both = allTarget(comparison.left) && allTarget(comparison.right);
    if (comparison.leftIsName && comparison.rightIsName && !both) {
        const EntityInfo* one = rowOf(where.values[left], scope);
        const EntityInfo* other = rowOf(where.values[right], scope);
        if (one && other && one != other) {
            world_.report(*action_.file, Code::R111, pos,
                          written(left) + " is the key of a row of " + one->name + ", and " + written(right) +
                              " that of one of " + other->name + ": they are never the same",
                          "compare keys of rows of one entity");
            return false;
        }
    }
    if (!both)
        return !anyTarget(comparison.left) || !anyTarget(comparison.right) ||
               (checkMixedSide(where, comparison.left, scope) && checkMixedSide(where, comparison.right, scope));
    // Where the event's row is of the same entity, the entity's name says nothing.
    bool same = !result_.binding.custom && scope.target == result_.binding.entity;
    const std::string &entity = scope.target->name, qualifier = same ? "target" : entity;
    for (const std::vector<int>* side : {&comparison.right, &comparison.left})
        for (int name : *side) {
            const NameUse& use = facts.names[name];
            std::string event = isBare(use) ? names_.meaningOfEvent(scope, use) : "";
            if (event.empty()) continue;
            std::string hint = "write " + event + " for the event's, or " + qualifier + "." + use.parts.front() +
                               " for the column of " + entity;
            if (comparison.leftIsName && comparison.rightIsName) {
                auto ofTarget = [&](int other) {
                    return isBare(facts.names[other]) ? qualifier + "." + written(other) : written(other);
                };
                size_t end = facts.names[left].offset + facts.names[left].length;
                std::string compared =
                    world_.expressionText(where.expression).substr(end, facts.names[right].offset - end);
                bool isRight = side == &comparison.right;
                hint = "write " + (isRight ? written(left) + compared + event : event + compared + written(right)) +
                       " for the event's, or " + ofTarget(left) + compared + ofTarget(right) + " for two columns of " +
                       entity;
            }
            world_.report(*action_.file, Code::R103, world_.locate(where.expression, use.offset),
                          written(left) + " and " + written(right) + " are both columns of " + entity + ", and " +
                              use.parts.front() + " means something of the event too",
                          hint);
            return false;
        }
    return true;
}

// One name can hardly mean the same value twice: abs(position - position), greatest(high, high).
bool WhereChecks::checkTwice(const BoundExpression& bound, const std::vector<int>& names, const Scope& scope) {
    if (scope.ownRow && !scope.targetFirst) return true;  // one row, whichever is meant
    Scope ofEvent = scope;
    ofEvent.target = nullptr;
    const ExpressionFacts& facts = world_.facts(bound.expression);
    std::map<std::string, int> times;
    for (int name : names)
        if (bound.values[name].kind == ValueKind::target) times[bound.values[name].name]++;
    for (auto at = names.rbegin(); at != names.rend(); ++at) {
        const NameUse& use = facts.names[*at];
        const Value& value = bound.values[*at];
        if (!isBare(use) || value.kind != ValueKind::target || times[value.name] < 2) continue;
        // What is set is often a column of the very row that the event leads to.
        if (!scope.targetFirst && !names_.isField(ofEvent, use.parts.front())) continue;
        std::string event = names_.meaningOfEvent(scope, use);
        if (event.empty()) continue;
        const std::string& word = use.parts.front();
        world_.report(*action_.file, Code::R109, world_.locate(bound.expression, use.offset),
                      word + " stands here twice as the column of " + scope.target->name +
                          ", and means something of the event too",
                      "write " + event + " where the event's is meant, and target." + word + " where the column is");
        return false;
    }
    return true;
}

bool WhereChecks::checkParts(const BoundExpression& where, const ConditionPart& part, const Scope& scope) {
    if (part.kind == ConditionPart::Kind::leaf) return checkTwice(where, part.names, scope);
    return std::all_of(part.parts.begin(), part.parts.end(),
                       [&](const ConditionPart& each) { return checkParts(where, each, scope); });
}

void WhereChecks::checkValue(const BoundExpression& bound, const Scope& scope) {
    std::vector<int> all;
    for (size_t i = 0; i < bound.values.size(); i++)
        all.push_back(static_cast<int>(i));
    checkTwice(bound, all, scope);
}

void WhereChecks::checkOrder(const BoundExpression& bound, const Scope& scope) {
    checkValue(bound, scope);
    bool named = std::any_of(bound.values.begin(), bound.values.end(),
                             [](const Value& value) { return value.kind == ValueKind::target; });
    const ExpressionFacts& facts = world_.facts(bound.expression);
    if (named || !facts.ok || bound.values.size() != facts.names.size() || !facts.calls.empty()) return;
    world_.report(
        *action_.file, Code::R112, world_.locate(bound.expression, 0),
        "ORDER BY " + world_.expressionText(bound.expression) + " is the same for all rows of " + scope.target->name,
        "name a column of " + scope.target->name);
}

void WhereChecks::checkWhere(const BoundExpression& where, const Scope& scope, bool bound) {
    const ExpressionFacts& facts = world_.facts(where.expression);
    if (!scope.target || !facts.ok || where.values.size() != facts.names.size()) return;
    bool understood = std::none_of(facts.sqlValues.begin(), facts.sqlValues.end(),
                                   [&](const SqlValueUse& use) { return !sqlWords_.fieldToo(use, scope).empty(); });
    for (const ComparisonUse& comparison : facts.comparisons)
        understood = checkComparison(where, comparison, scope) && understood;
    understood = understood && checkParts(where, facts.condition, scope);
    auto alternative = std::find_if(facts.conditions.begin(), facts.conditions.end(), [&](const ConditionPart& each) {
        return each.kind == ConditionPart::Kind::any && !binds(each, where.values);
    });
    bool literal = facts.isLiteral && facts.literalType == "boolean";
    if (!understood || bound || literal) return;
    if (binds(facts.condition, where.values) && alternative == facts.conditions.end()) return;
    bool part = std::any_of(where.values.begin(), where.values.end(),
                            [](const Value& value) { return value.kind == ValueKind::target; });
    int name = firstUnbound(binds(facts.condition, where.values) ? *alternative : facts.condition, where.values);
    world_.report(*action_.file, Code::R101, world_.locate(where.expression, name < 0 ? 0 : facts.names[name].offset),
                  part ? "an alternative of this WHERE says nothing about the rows of " + scope.target->name +
                             ": it would take all of them"
                       : "this WHERE says nothing about the rows of " + scope.target->name +
                             ": it would take all of them or none",
                  "name a column of " + scope.target->name +
                      "; a condition of the event alone goes into the step's if:, and "
                      "WHERE true, alone, means every row");
}

void WhereChecks::checkSelfAssignment(const BoundAssignment& assignment, const ColumnInfo& column, const Scope& scope) {
    const BoundExpression& bound = assignment.value;
    if (bound.values.size() != 1 || bound.values.front().kind != ValueKind::target) return;
    const NameUse& use = world_.facts(bound.expression).names.front();
    std::string rest = world_.expressionText(bound.expression);
    rest.erase(use.offset, use.length);
    if (bound.values.front().name != column.name || rest.find_first_not_of("() \t\n") != std::string::npos) return;
    std::string event = names_.meaningOfEvent(scope, use);
    // By its key the event leads to the very row that is written.
    bool sameRow =
        scope.targetWay >= 0 && endsWith(event, event_.ways()[scope.targetWay].path + "." + quoteName(column.name));
    if (sameRow) event = result_.binding.custom ? "payload." + quoteName(column.name) : "";
    world_.report(*action_.file, Code::R104, world_.locate(bound.expression, 0),
                  column.name + " of " + scope.target->name + " would be set to itself",
                  event.empty() ? "leave it out" : "write " + event + " for the event's value, or leave it out");
}

// Whose row a value is the key of; null if it is no key, or of a table whose keys may be those of another.
const EntityInfo* WhereChecks::rowOf(const Value& value, const Scope& scope) const {
    const EntityInfo* entity = value.kind == ValueKind::eventColumn ? result_.binding.entity
                               : value.kind == ValueKind::context   ? result_.contexts[value.context].entity
                               : value.kind == ValueKind::target    ? scope.target
                               : value.kind == ValueKind::handled   ? scope.handled
                               : value.kind == ValueKind::row       ? value.entity
                                                                    : nullptr;
    const ColumnInfo* column = entity ? entity->column(value.name) : nullptr;
    if (!column) return nullptr;
    if (column->field && !column->field->refTarget.empty())
        return world_.entity(column->field->refTarget.value, entity->home);
    bool own = column->name == entity->key && !column->field && entity->spec && !column->defaultSql.empty();
    return own ? entity : nullptr;
}

void WhereChecks::checkAssignedRow(const BoundAssignment& assignment, const ColumnInfo& column,
                                   const EntityInfo& target, const Scope& scope) {
    const BoundExpression& bound = assignment.value;
    if (bound.values.size() != 1 || !column.field || column.field->refTarget.empty()) return;
    const NameUse& use = world_.facts(bound.expression).names.front();
    if (use.length != world_.expressionText(bound.expression).size()) return;
    const EntityInfo* wanted = world_.entity(column.field->refTarget.value, target.home);
    const EntityInfo* given = rowOf(bound.values.front(), scope);
    if (!wanted || !given || wanted == given) return;
    world_.report(*action_.file, Code::R111, world_.locate(bound.expression, 0),
                  column.name + " refers to a row of " + wanted->name + ", and " + join(use.parts, ".") +
                      " is the key of one of " + given->name,
                  "take the key of a row of " + wanted->name);
}

}  // namespace specql::resolve
