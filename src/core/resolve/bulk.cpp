// Steps of a bulk operation: behind the update or delete that takes the rows, the taken row stands in the event's
// place.
#include <algorithm>

#include "resolve/action_resolver.hpp"
#include "text/quote.hpp"

namespace specql::resolve {

std::vector<const ColumnInfo*> ActionResolver::waysTo(const EntityInfo* entity, const EntityInfo& from) {
    std::vector<const ColumnInfo*> ways;
    for (const ColumnInfo& column : from.columns) {
        if (!column.field || column.field->refTarget.empty()) continue;
        if (world_.entity(column.field->refTarget.value, from.home) == entity) ways.push_back(&column);
    }
    return ways;
}

bool ActionResolver::bindTakenRow(const spec::Step& step, ResolvedStep& resolved, const Scope& scope) {
    if (!scope.handled) return false;
    EntityInfo& taken = *scope.handled;
    auto byColumn = [&](const std::string& name) {
        resolved.rowKey = simple(ValueKind::handled, name, taken.column(name)->type, "", "");
        return true;
    };
    if (resolved.target == &taken && !taken.key.empty()) return byColumn(taken.key);
    std::vector<const ColumnInfo*> ways = waysTo(resolved.target, taken);
    if (ways.empty()) return false;
    if (ways.size() == 1) return byColumn(ways.front()->name);
    std::vector<std::string> fields;
    for (const ColumnInfo* way : ways)
        fields.push_back(way->field->name.value);
    world_.report(*action_.file, Code::R140, step.target.pos,
                  "the taken row leads to " + resolved.target->name + " by more than one way: " + join(fields, ", "),
                  "say which: WHERE " + resolved.target->key + " = " + fields.front());
    return true;
}

bool ActionResolver::ofTakenRef(const Scope& scope, const std::string& name) const {
    const ColumnInfo* column = scope.handled ? scope.handled->columnOf(name) : nullptr;
    return column && column->field && !column->field->refTarget.empty();
}

void ActionResolver::refuseTakenRef(Pos pos, const NameUse& use, const Scope& scope) {
    const std::string& ref = use.parts[0];
    world_.report(*action_.file, Code::R141, pos,
                  join(use.parts, ".") + " would be read of the row that " + ref + " of each taken " +
                      scope.handled->name + " names, and steps behind an allocation see the taken row alone",
                  "call a function that reads it, f(" + ref + "), or keep it in " + scope.handled->name);
}

void ActionResolver::refuseEventNames() {
    forEachExpression(result_, [&](BoundExpression& bound) {
        const ExpressionFacts& facts = world_.facts(bound.expression);
        for (size_t i = 0; i < bound.values.size(); i++) {
            const Value& value = bound.values[i];
            if (value.kind != ValueKind::meta) continue;
            world_.report(*action_.file, Code::R142, world_.locate(bound.expression, facts.names[i].offset),
                          "a bulk operation is called as a function too, so there is no " + value.name,
                          "declare it as a parameter: params: {" + value.name + ": " + value.type + "}");
        }
    });
}

}  // namespace specql::resolve
