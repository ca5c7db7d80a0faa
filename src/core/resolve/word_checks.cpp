#include "resolve/word_checks.hpp"

#include <algorithm>

#include "text/ascii.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

void WordChecks::checkMissingRows(const BoundExpression& bound, const Scope& scope) {
    const ExpressionFacts& facts = world_.facts(bound.expression);
    for (size_t i = 0; i < bound.values.size(); i++) {
        const Value& value = bound.values[i];
        bool farther = value.kind == ValueKind::context;
        const char* missing =
            event_.missingRow(farther ? event_.startOf(result_.contexts[static_cast<size_t>(value.context)]) : value);
        if (!missing || (scope.ofBranch && !farther)) continue;
        const std::vector<std::string>& parts = facts.names[i].parts;
        std::string there = missing == noOldRow ? "new." : "old.";
        world_.report(
            *action_.file, Code::R114, world_.locate(bound.expression, facts.names[i].offset),
            join(parts, ".") + " is always NULL: " + missing,
            "write " + there + (farther ? join({parts.begin() + 1, parts.end()}, ".") : quoteName(value.name)));
    }
}

void WordChecks::checkMissingVia(const spec::Step& step, int way) {
    const char* missing = event_.missingRow(event_.startOf(event_.ways()[static_cast<size_t>(way)]));
    if (!missing) return;
    std::string there = missing == noOldRow ? "new" : "old";
    world_.report(*action_.file, Code::R114, step.via.pos,
                  "VIA " + step.via.value + " never leads to a row: " + missing,
                  "write VIA " + there + step.via.value.substr(step.via.value.find('.')));
}

// A row is not NULL, to SQL, only if none of its columns is.
void WordChecks::checkRowTests(const BoundExpression& bound) {
    const ExpressionFacts& facts = world_.facts(bound.expression);
    for (int name : facts.notNull) {
        if (bound.values[static_cast<size_t>(name)].kind != ValueKind::eventRow) continue;
        const NameUse& use = facts.names[static_cast<size_t>(name)];
        const std::string& row = use.parts.front();
        const std::string& key = result_.binding.entity->key;
        world_.report(*action_.file, Code::R115, world_.locate(bound.expression, use.offset),
                      row + " IS NOT NULL holds only if no column of the row is NULL",
                      "write " + row + "." + (key.empty() ? "column" : quoteName(key)) + " IS NOT NULL");
    }
}

bool WordChecks::isWrittenRow(const ResolvedStep& step, const Value& value) const {
    const Value* key = step.rowKey ? &*step.rowKey : keyInWhere(world_, step);
    auto byKeyOf = [&](ValueKind kind) { return key && key->kind == kind && key->name == step.target->key; };
    if (value.kind == ValueKind::handled) return byKeyOf(value.kind);
    if (value.kind == ValueKind::eventColumn) return step.ownRow || byKeyOf(value.kind);
    if (value.kind != ValueKind::context) return false;
    const Context& context = result_.contexts[static_cast<size_t>(value.context)];
    if (step.way >= 0) return context.path == event_.ways()[static_cast<size_t>(step.way)].path;
    return key && context.entity == step.target && key->kind == context.key.kind && key->name == context.key.name &&
           key->context == context.key.context;
}

void WordChecks::checkMixedSet(const ResolvedStep& step, const Scope& scope) {
    if (scope.ownRow) return;
    const std::vector<BoundAssignment>& set = step.set;
    // A column that WHERE has on both sides is the event's there too.
    std::set<std::string> chosenBy, twins;
    for (size_t i = 0; step.where && i < step.where.values.size(); i++) {
        const NameUse& use = world_.facts(step.where.expression).names[i];
        const ColumnInfo* column = use.parts.size() == 1 ? scope.target->columnOf(use.parts.front()) : nullptr;
        if (column) (step.where.values[i].kind == ValueKind::target ? chosenBy : twins).insert(column->name);
    }
    auto readsItself = [&](const std::string& column) {
        return std::any_of(set.begin(), set.end(), [&](const BoundAssignment& other) {
            return other.column == column &&
                   std::any_of(other.value.values.begin(), other.value.values.end(), [&](const Value& used) {
                       return used.kind == ValueKind::target && used.name == column;
                   });
        });
    };
    Scope ofEvent = scope;
    ofEvent.target = nullptr;
    for (const BoundAssignment& assignment : set) {
        const BoundExpression& bound = assignment.value;
        if (!bound) continue;
        const ExpressionFacts& facts = world_.facts(bound.expression);
        for (size_t i = 0; i < bound.values.size(); i++) {
            const NameUse& use = facts.names[i];
            const Value& value = bound.values[i];
            if (use.parts.size() > 1 || value.kind == ValueKind::target || value.kind == ValueKind::queryColumn)
                continue;
            const std::string& word = use.parts.front();
            const ColumnInfo* own = scope.target->columnOf(word);
            if (!own || own->name == assignment.column || isWrittenRow(step, value)) continue;
            bool chosen = chosenBy.count(own->name) > 0 && twins.count(own->name) == 0;
            bool mixed = (chosen || readsItself(own->name)) && names_.isField(ofEvent, word);
            bool ofEntity = (value.kind == ValueKind::eventColumn && scope.target == result_.binding.entity) ||
                            (value.kind == ValueKind::handled && scope.target == scope.handled);
            bool farther = value.kind == ValueKind::context;
            if (!mixed && !ofEntity && !farther) continue;
            std::string event = names_.meaningOfEvent(scope, use);
            std::string hint =
                "write " + (event.empty() ? event_.eventPrefix() + word : event) + " or target." + quoteName(own->name);
            Pos pos = world_.locate(bound.expression, use.offset);
            if (mixed)
                world_.report(*action_.file, Code::R110, pos,
                              word + " is the event's here, and the column of " + scope.target->name +
                                  " where that is set in the same step",
                              hint);
            else
                world_.report(*action_.file, Code::R116, pos,
                              word + " can be of the " + scope.target->name + " that is written, and of " +
                                  (farther ? "a row that the event leads to" : "the one that the event is about"),
                              hint);
        }
    }
}

}  // namespace specql::resolve
