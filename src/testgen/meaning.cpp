#include "testgen/meaning.hpp"

#include <algorithm>

#include "emit/printer.hpp"
#include "resolve/event_scope.hpp"
#include "testgen/knowable.hpp"
#include "text/quote.hpp"

namespace specql::testgen {

// --- names -----------------------------------------------------------------------------------------------------------

Name Meaning::nameOf(const resolve::Value& value, const Scope& scope) const {
    const Allocation* allocation = allocationOf(scope.own);
    const bool called = allocation && allocation->caller;
    switch (value.kind) {
        case resolve::ValueKind::eventColumn:
            if (!scope.changing) return isMissing(value) ? Name() : Name{eventPlace(value.name, value.old), value.name};
            [[fallthrough]];
        case resolve::ValueKind::target:
            return {scope.own == Place::after() ? eventPlace(value.name, false) : scope.own, value.name};
        case resolve::ValueKind::payload: {
            if (!called) return {Place::payload(), value.name};
            auto found = allocation->params.find(value.name);
            return found == allocation->params.end() ? Name() : found->second;
        }
        case resolve::ValueKind::answer: {
            if (value.context < 0) return {};
            const char* said = isFailure(value.context) ? "error" : "response";
            return value.name == said ? Name{Place::answer(value.context), said} : Name();
        }
        case resolve::ValueKind::context: {
            if (!called && contexts[static_cast<size_t>(value.context)].path == resolve::currentRow)
                return {eventPlace(value.name, false), value.name};
            if (!called) return {Place::context(value.context), value.name};
            // The row that the called operation reads is one that the caller has too, if there is only one like that.
            const resolve::EntityInfo* entity = entityOf(value, scope);
            if (!action.binding.custom && entity == action.binding.entity)
                return {eventPlace(value.name, false), value.name};
            Name found;
            for (size_t i = 0; i < contexts.size(); i++) {
                if (contexts[i].entity != entity) continue;
                if (found) return {};
                found = {Place::context(static_cast<int>(i)), value.name};
            }
            return found;
        }
        case resolve::ValueKind::queryColumn: {
            const Place row = Place::looked(value.expression, static_cast<size_t>(value.context));
            return looked.count(row) ? Name{row, value.name} : Name();
        }
        case resolve::ValueKind::meta:
            if (!resolve::startsWith(value.name, "payload:")) return {};
            return {Place::payload(), value.name.substr(std::string("payload:").size())};
        case resolve::ValueKind::row:
            for (const Target& target : targets_)
                if (target.step->row == value.context) return {target.place, value.name};
            return {};
        case resolve::ValueKind::local:
            if (!scope.element || loops_[static_cast<size_t>(scope.element.index)]->variable != value.name) return {};
            return {scope.element, value.name};
        default: return {};
    }
}

bool Meaning::isFailure(int answer) const {
    return resolve::endsWith(answers[static_cast<size_t>(answer)], ".failed");
}

Place Meaning::eventPlace(const std::string& column, bool old) const {
    if (!split.count(column)) return Place::row();
    return old ? Place::before() : Place::after();
}

bool Meaning::isMissing(const resolve::Value& value) const {
    return (value.old && operation == resolve::opInsert) ||
           (value.strict && !value.old && operation == resolve::opDelete);
}

int Meaning::dimension(const Name& name) const {
    auto found = scenario.names.find(name);
    return !name || found == scenario.names.end() ? -1 : found->second;
}

const Allocation* Meaning::allocationOf(Place own) const {
    return own.kind == Place::Kind::allocation ? &allocations[static_cast<size_t>(own.index)] : nullptr;
}

const resolve::EntityInfo* Meaning::entityOf(const resolve::Value& value, const Scope& scope) const {
    const Allocation* allocation = allocationOf(scope.own);
    switch (value.kind) {
        case resolve::ValueKind::eventColumn: return scope.changing ? scope.changing->target : action.binding.entity;
        case resolve::ValueKind::queryColumn: return value.entity;
        case resolve::ValueKind::row: return value.entity;
        case resolve::ValueKind::context:
            return (allocation ? allocation->bulk->contexts : contexts)[static_cast<size_t>(value.context)].entity;
        case resolve::ValueKind::target:
            if (allocation) return allocation->step->target;
            if (scope.own == Place::after()) return action.binding.entity;
            if (scope.own.kind == Place::Kind::context) return contexts[static_cast<size_t>(scope.own.index)].entity;
            if (scope.own.kind != Place::Kind::step) return nullptr;
            return targets_[static_cast<size_t>(scope.own.index)].step->target;
        default: return nullptr;
    }
}

const TestColumn* Meaning::columnOf(const resolve::Value& value, const Scope& scope) const {
    const resolve::EntityInfo* entity = nameOf(value, scope) ? entityOf(value, scope) : nullptr;
    const TestTable* table = entity ? tableOf(*entity) : nullptr;
    return table ? table->column(value.name) : nullptr;
}

const TestTable* Meaning::eventTable() const {
    return action.binding.custom || !action.binding.entity ? nullptr : tableOf(*action.binding.entity);
}

resolve::Value Meaning::eventColumn(const std::string& column, bool old) const {
    resolve::Value value;
    value.kind = resolve::ValueKind::eventColumn;
    value.name = column;
    value.old = old;
    return value;
}

std::vector<resolve::Value> Meaning::parts(const resolve::Value& value, const Scope& scope) const {
    if (value.kind == resolve::ValueKind::eventChange) {
        std::vector<resolve::Value> found = parts(eventColumn(value.name, false), scope);
        for (resolve::Value& part : parts(eventColumn(value.name, true), scope))
            found.push_back(std::move(part));
        return found;
    }
    if (value.kind == resolve::ValueKind::answer && value.name == "response_text") {
        resolve::Value response = value;
        response.name = "response";
        response.type = "jsonb";
        return {response};
    }
    const TestColumn* column = columnOf(value, scope);
    if (!column || column->generation.empty()) return {value};
    std::vector<resolve::Value> found(column->generatedFrom.size(), value);
    for (size_t i = 0; i < found.size(); i++)
        found[i].name = column->generatedFrom[i];
    return found;
}

std::set<int> Meaning::dimensionsOf(const resolve::BoundExpression& bound, size_t begin, size_t end,
                                    const Scope& scope) const {
    std::set<int> found;
    const ExpressionFacts& facts = world.facts(bound.expression);
    for (size_t i = 0; i < bound.values.size(); i++)
        if (facts.names[i].offset >= begin && facts.names[i].offset < end)
            for (const resolve::Value& part : parts(bound.values[i], scope))
                found.insert(dimension(part, scope));
    found.erase(-1);
    return found;
}

// --- steps -----------------------------------------------------------------------------------------------------------

Scope Meaning::scopeOf(const resolve::ResolvedStep& step, Place element) const {
    if (step.ownRow) return {Place::after(), element};
    if (step.byContext >= 0) return {Place::context(step.byContext), element};
    for (const Target& target : targets_)
        if (target.step == &step && target.element == element) return {target.place, element};
    return {Place(), element};
}

std::vector<PlacedStep> Meaning::steps(const Arm& arm) const {
    std::vector<PlacedStep> found;
    for (const resolve::ResolvedStep* step : arm.steps)
        placeSteps(*step, {}, found);
    return found;
}

void Meaning::placeSteps(const resolve::ResolvedStep& step, Place element, std::vector<PlacedStep>& found) const {
    std::vector<Place> elements = {element};
    if (step.spec->kind == spec::StepKind::foreach) {
        elements.clear();
        for (size_t i = 0; i < loops_.size(); i++)
            if (loops_[i] == &step)
                elements = {Place::elementOf(static_cast<int>(i), 0), Place::elementOf(static_cast<int>(i), 1)};
    } else {
        found.push_back({&step, scopeOf(step, element)});
        for (size_t i = 0; i < allocations.size(); i++)
            if (allocations[i].caller == &step) found.push_back({allocations[i].step, Place::allocation(i)});
    }
    for (Place inner : elements)
        for (const std::vector<resolve::ResolvedStep>* list : {&step.then, &step.otherwise})
            for (const resolve::ResolvedStep& one : *list)
                placeSteps(one, inner, found);
}

// --- SQL -------------------------------------------------------------------------------------------------------------

std::string Meaning::payload(const Render& literal) const {
    if (outside) return outside->data;
    std::vector<std::string> pairs;
    for (const auto& [name, dimension] : scenario.names) {
        if (name.place != Place::payload()) continue;
        // Of a row that is due the key is kept as text.
        const bool isKey = action.binding.isDue() && name.column == action.binding.due.key();
        pairs.push_back(quoteLiteral(name.column) + ", " + literal(dimension) + (isKey ? "::text" : ""));
    }
    return "jsonb_build_object(" + join(pairs, ", ") + ")";
}

std::string Meaning::eventCondition(const Render& literal, const std::string& alias) const {
    if (outside) return outside->event(alias);
    std::string sql = alias + ".action = " + quoteLiteral(action.info->name());
    const std::vector<std::string> columns = eventKey();
    std::vector<std::string> keys;
    for (const std::string& column : columns) {
        const int known = dimension({Place::row(), column});
        if (known < 0) continue;
        const std::string& type = scenario.at(known).type;
        const bool isInstant =
            columns.size() > 1 && resolve::startsWith(type, "timestamp") && resolve::endsWith(type, "with time zone");
        keys.push_back(columns.size() == 1 ? literal(known) : typedValue(literal(known), type));
        if (isInstant) keys.back() = "(" + keys.back() + " AT TIME ZONE 'UTC')";
    }
    if (keys.empty()) return sql + " AND " + alias + ".data = " + payload(literal);
    const std::string subject = columns.size() == 1 ? keys.front() : "jsonb_build_array(" + join(keys, ", ") + ")";
    return sql + " AND " + alias + ".subject = " + subject + "::text";
}

std::vector<std::string> Meaning::eventKey() const {
    if (!eventTable()) return {};
    const resolve::EntityInfo& entity = *action.binding.entity;
    return entity.key.empty() ? entity.keyColumns : std::vector<std::string>{entity.key};
}

std::string Meaning::isEventRow(const Render& literal, const std::string& alias) const {
    std::vector<std::string> conditions;
    for (const std::string& column : eventKey())
        conditions.push_back((alias.empty() ? "" : alias + ".") + quoteName(column) + " = " +
                             literal(dimension({Place::row(), column})));
    return join(conditions, " AND ");
}

std::string Meaning::ofEvent(const std::string& column, const Render& render) const {
    return "(SELECT " + column + " FROM specql.events AS v WHERE " + eventCondition(render, "v") +
           " ORDER BY v.id DESC LIMIT 1)";
}

const resolve::ResolvedStep* Meaning::letOf(int local) const {
    const resolve::ResolvedStep* found = nullptr;
    visitSteps(resolver, action, [&](const resolve::ResolvedStep& step) {
        if (step.condition.gives == local) found = &step;
    });
    return found;
}

std::string Meaning::sql(const resolve::Value& value, const Render& render, const Scope& scope,
                         std::string& why) const {
    if (std::string said = outside ? outside->value(value) : ""; !said.empty()) return said;
    if (value.kind == resolve::ValueKind::queryColumn) return emit::printQueryColumn(value);
    auto column = [&](const resolve::Value& one) { return sql(one, render, scope, why); };
    const TestColumn* standsIn = columnOf(value, scope);
    if (standsIn && !standsIn->generation.empty()) {
        std::vector<std::string> cells = {"1"};
        for (const resolve::Value& part : parts(value, scope))
            cells.push_back(column(part) + " AS " + quoteName(part.name));
        return "(SELECT " + standsIn->generation + " FROM (SELECT " + join(cells, ", ") + ") AS made)";
    }
    const resolve::Binding& binding = action.binding;
    switch (value.kind) {
        case resolve::ValueKind::eventChange:
            return "(" + column(eventColumn(value.name, false)) + " - " + column(eventColumn(value.name, true)) + ")";
        case resolve::ValueKind::eventRow:
            if (!eventTable()) break;
            return "jsonb_populate_record(NULL::" + quoteName(binding.entity->schema, binding.entity->table) + ", " +
                   ofEvent(std::string("nullif(v.data -> '") + (value.old ? "old" : "new") + "', 'null')", render) +
                   ")";
        case resolve::ValueKind::eventColumn: {
            if (!scope.changing) {
                if (!isMissing(value)) break;
                const resolve::ColumnInfo* missing = binding.entity->column(value.name);
                return "NULL::" + (missing ? missing->type : value.type);
            }
            const resolve::BoundAssignment* set = value.old ? nullptr : assignmentOf(*scope.changing, value.name);
            if (!set) break;
            std::string given;
            const Scope within{scope.own, scope.element};
            if (set->taken)
                given = sql(*set->taken, render, within, why);
            else
                (void)print(set->value, render, within, given, why);
            return "(" + typedValue(given, scope.changing->target->column(value.name)->type) + ")";
        }
        case resolve::ValueKind::answer:
            // The test answers as a consumer, who has no HTTP.
            if (value.context < 0 || value.name == "attempts" || dimension(value, scope) >= 0) break;
            if (value.name == "response_text" && !isFailure(value.context))
                return "(" + column(parts(value, scope).front()) + ")::text";
            return "NULL::" + value.type;
        case resolve::ValueKind::meta:
            if (dimension(value, scope) >= 0) break;
            if (value.name == "event_type")
                return quoteLiteral((binding.custom ? "" : binding.entity->shown() + ".") + binding.event);
            if (value.name == resolve::operationName)
                return quoteLiteral(resolve::operationWords(operation).front()) + "::text";
            if (value.name == "event_id") return ofEvent("v.id", render);
            if (value.name == "event_time") return ofEvent("v.occurred_at", render);
            if (value.name == "event_data") return ofEvent("v.data", render);
            break;
        case resolve::ValueKind::local:
            if (const resolve::ResolvedStep* let = value.context < 0 ? nullptr : letOf(value.context)) {
                std::string given;
                (void)print(let->condition, render, scope, given, why);
                return "(" + given + ")";
            }
            break;
        default: break;
    }
    int known = dimension(value, scope);
    if (known >= 0) return render(known);
    why = "it reads " + (value.shown.empty() ? value.name : value.shown);
    return "NULL";
}

bool Meaning::printSlice(const resolve::BoundExpression& bound, size_t begin, size_t end, const Render& render,
                         std::string& sql, std::string& why, const Scope& scope) const {
    std::string problem = unknowable(world, resolver, bound);
    sql = emit::printBound(
        world, resolver, bound, begin, end,
        [&](const resolve::Value& name) { return this->sql(name, render, scope, problem); },
        [&](size_t table) { return printLooked(bound, table, render); });
    if (!problem.empty()) why = problem;
    return problem.empty();
}

std::string Meaning::printLooked(const resolve::BoundExpression& bound, size_t table, const Render& render) const {
    const Place row = Place::looked(bound.expression, table);
    std::set<std::string> columns;
    for (const resolve::Value& value : bound.values)
        if (value.kind == resolve::ValueKind::queryColumn && static_cast<size_t>(value.context) == table)
            columns.insert(value.name);
    std::vector<std::string> cells;
    for (const std::string& column : columns) {
        const int known = dimension({row, column});
        const resolve::ColumnInfo* info = bound.tables[table]->column(column);
        cells.push_back((known < 0 ? "NULL::" + (info ? info->type : "text") : render(known)) + " AS " +
                        quoteName(column));
    }
    return "(SELECT " + join(cells, ", ") + (looked.count(row) ? ")" : " WHERE false)");
}

bool Meaning::print(const resolve::BoundExpression& bound, const Render& render, const Scope& scope, std::string& sql,
                    std::string& why) const {
    return printSlice(bound, 0, world.expressionText(bound.expression).size(), render, sql, why, scope);
}

bool Meaning::printValue(const resolve::Value& value, const Render& render, std::string& sql, std::string& why,
                         const Scope& scope) const {
    std::string problem;
    sql = this->sql(value, render, scope, problem);
    if (!problem.empty()) why = problem;
    return problem.empty();
}

bool Meaning::condition(const Arm& arm, const Render& render, std::string& sql, std::string& why) const {
    sql.clear();
    for (const Arm::Part& part : arm.parts) {
        std::string one;
        if (!print(*part.condition, render, {}, one, why)) return false;
        sql += (sql.empty() ? "((" : " AND ((") + one + (part.negated ? ") IS NOT TRUE)" : ") IS TRUE)");
    }
    if (sql.empty()) sql = "true";
    return true;
}

}  // namespace specql::testgen
