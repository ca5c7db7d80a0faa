// A stage as SQL: what its names mean, the rows of a test, and the event itself.
#include <algorithm>

#include "emit/printer.hpp"
#include "testgen/knowable.hpp"
#include "testgen/stage.hpp"
#include "text/quote.hpp"

namespace specql::testgen {

namespace {

std::string tableName(const TestTable& table) {
    return quoteName(table.schema, table.name);
}

}  // namespace

std::string Stage::value(const resolve::Value& value, const Render& render, Place own, std::string& why) const {
    if (outside) {
        std::string sql = outside->value(value);
        if (!sql.empty()) return sql;
    }
    if (std::vector<resolve::Value> parts; const TestColumn* column = generated(value, own, parts)) {
        std::vector<std::string> cells;
        for (const resolve::Value& part : parts)
            cells.push_back(this->value(part, render, own, why) + " AS " + quoteName(part.name));
        if (cells.empty()) cells.push_back("1");
        return "(SELECT " + column->generation + " FROM (SELECT " + join(cells, ", ") + ") AS made)";
    }
    switch (value.kind) {
        case resolve::ValueKind::eventChange: {
            resolve::Value column = value;
            column.kind = resolve::ValueKind::eventColumn;
            column.old = false;
            std::string sql = this->value(column, render, own, why);
            column.old = true;
            return "(" + sql + " - " + this->value(column, render, own, why) + ")";
        }
        case resolve::ValueKind::eventRow: {
            if (action.binding.custom || !action.binding.entity) break;
            const resolve::EntityInfo& entity = *action.binding.entity;
            return "jsonb_populate_record(NULL::" + quoteName(entity.schema, entity.table) +
                   ", (SELECT nullif(v.data -> '" + (value.old ? "old" : "new") +
                   "', 'null') FROM specql.events AS v WHERE " + eventCondition(render, "v") +
                   " ORDER BY v.id DESC LIMIT 1))";
        }
        case resolve::ValueKind::eventColumn:
            if (isMissing(value)) return "NULL::" + value.type;
            break;
        case resolve::ValueKind::meta: {
            if (nameDimension(value, own) >= 0) break;
            if (value.name == "event_type")
                return quoteLiteral((action.binding.custom ? "" : action.binding.entity->shown() + ".") +
                                    action.binding.event);
            const char* column = value.name == "event_id"     ? "v.id"
                                 : value.name == "event_time" ? "v.occurred_at"
                                 : value.name == "event_data" ? "v.data"
                                                              : nullptr;
            if (!column) break;
            return std::string("(SELECT ") + column + " FROM specql.events AS v WHERE " + eventCondition(render, "v") +
                   " ORDER BY v.id DESC LIMIT 1)";
        }
        default: break;
    }
    int known = nameDimension(value, own);
    if (known < 0) {
        why = "it reads " + (value.shown.empty() ? value.name : value.shown);
        return "NULL";
    }
    return render(known);
}

bool Stage::printSlice(const resolve::BoundExpression& bound, size_t begin, size_t end, const Render& render,
                       std::string& sql, std::string& why, Place own) const {
    std::string problem = unknowable(world_, resolver_, bound);
    sql = emit::printBound(world_, resolver_, bound, begin, end,
                           [&](const resolve::Value& name) { return value(name, render, own, problem); });
    if (!problem.empty()) why = problem;
    return problem.empty();
}

bool Stage::printValue(const resolve::Value& name, const Render& render, std::string& sql, std::string& why,
                       Place own) const {
    std::string problem;
    sql = value(name, render, own, problem);
    if (!problem.empty()) why = problem;
    return problem.empty();
}

bool Stage::print(const resolve::BoundExpression& bound, const Render& render, Place own, std::string& sql,
                  std::string& why) const {
    std::string problem = unknowable(world_, resolver_, bound);
    sql = emit::printBound(world_, resolver_, bound, 0, world_.expressionText(bound.expression).size(),
                           [&](const resolve::Value& name) { return value(name, render, own, problem); });
    if (!problem.empty()) why = problem;
    return problem.empty();
}

bool Stage::condition(const Arm& arm, const Render& render, std::string& sql, std::string& why) const {
    sql.clear();
    for (const Arm::Part& part : arm.parts) {
        std::string one;
        if (!print(*part.condition, render, {}, one, why)) return false;
        sql += (sql.empty() ? "((" : " AND ((") + one + (part.negated ? ") IS NOT TRUE)" : ") IS TRUE)");
    }
    if (sql.empty()) sql = "true";
    return true;
}

void Stage::focusOn(const resolve::BoundExpression& bound, Place own, Focus& focus) const {
    if (!bound) return;
    const std::string& text = world_.expressionText(bound.expression);
    spec::ConditionText condition = spec::readCondition(text);
    for (int known : dimensionsOf(bound, 0, text.size(), own)) {
        const Dimension& dimension = scenario.dimensions[static_cast<size_t>(known)];
        if (dimension.unique) continue;
        std::vector<size_t> order;
        auto take = [&](size_t n) {
            if (std::find(order.begin(), order.end(), n) == order.end()) order.push_back(n);
        };
        // Values that no other row has, where that is demanded; values that this condition speaks of, then what an
        // earlier one spoke of, then all.
        for (size_t n = 0; n < dimension.candidates.size(); n++)
            if (dimension.candidates[n].find(numberMark) != std::string::npos) take(n);
        for (const std::string& value : candidates(dimension.baseType, {}, condition, static_cast<size_t>(known)))
            for (size_t n = 0; n < dimension.candidates.size(); n++)
                if (dimension.candidates[n] == value) take(n);
        std::vector<size_t>& before = focus[known];
        if (!before.empty()) std::swap(order, before);
        for (size_t n : order)
            if (std::find(before.begin(), before.end(), n) == before.end()) before.push_back(n);
        for (size_t n = 0; n < dimension.candidates.size(); n++)
            if (std::find(before.begin(), before.end(), n) == before.end()) before.push_back(n);
    }
}

Focus Stage::focus(const Arm& arm) const {
    Focus found;
    for (const Arm::Part& part : arm.parts)
        focusOn(*part.condition, {}, found);
    for (const resolve::ResolvedStep* step : arm.steps)
        if (ownOf(*step)) focusOn(step->where, ownOf(*step), found);
    for (size_t i = 0; i < allocations.size(); i++) {
        focusOn(allocations[i].step->where, Place::allocation(i), found);
        focusOn(allocations[i].step->limit, Place::allocation(i), found);
    }
    focusOnDemands(arm, found);
    for (const std::string& column : split_)
        for (Place side : {Place::before(), Place::after()}) {
            int known = dimension({side, column});
            if (known < 0 || found.count(known)) continue;
            for (size_t n = 0; n < scenario.dimensions[static_cast<size_t>(known)].candidates.size(); n++)
                found[known].push_back(n);
        }
    return found;
}

std::set<int> Stage::dimensionsOf(const resolve::BoundExpression& bound, size_t begin, size_t end, Place own) const {
    std::set<int> found;
    const ExpressionFacts& facts = world_.facts(bound.expression);
    for (size_t i = 0; i < bound.values.size(); i++) {
        if (facts.names[i].offset < begin || facts.names[i].offset >= end) continue;
        addDimensions(bound.values[i], own, found);
    }
    found.erase(-1);
    return found;
}

void Stage::addDimensions(const resolve::Value& value, Place own, std::set<int>& found) const {
    std::vector<resolve::Value> parts;
    if (value.kind == resolve::ValueKind::eventChange)
        parts = bothSides(value);
    else if (!generated(value, own, parts))
        found.insert(nameDimension(value, own));
    for (const resolve::Value& part : parts)
        addDimensions(part, own, found);
}

std::set<int> Stage::before(const std::set<int>& dimensions) const {
    std::set<int> found;
    for (const std::string& column : split_)
        if (dimensions.count(dimension({Place::after(), column}))) found.insert(dimension({Place::before(), column}));
    found.erase(-1);
    for (int known : dimensions)
        found.erase(known);
    return found;
}

// What WHERE demands of the rows that the steps are about.
std::vector<std::string> Stage::wheres(const Arm& arm) const {
    std::vector<std::string> found;
    for (const resolve::ResolvedStep* step : arm.steps) {
        std::string sql, why;
        Place own = ownOf(*step);
        if (step->where && own && print(step->where, Scenario::reference, own, sql, why)) found.push_back(sql);
    }
    return found;
}

// That a row is not before what an update makes of it; empty if the values of the test do not say that.
std::string Stage::changes(const resolve::ResolvedStep& step, Place own, Focus& focus) const {
    if (step.spec->kind != spec::StepKind::update || !own) return "";
    std::vector<std::string> differ;
    for (const resolve::BoundAssignment& assignment : step.set) {
        resolve::Value before;
        before.kind = resolve::ValueKind::target;
        before.name = assignment.column;
        std::string sql, why;
        int known = nameDimension(before, own);
        if (known < 0 || !assignment.value || !print(assignment.value, Scenario::reference, own, sql, why)) return "";
        if (focus.count(known) == 0)
            for (size_t n = 0; n < scenario.dimensions[static_cast<size_t>(known)].candidates.size(); n++)
                focus[known].push_back(n);
        const std::string& type = step.target->column(assignment.column)->type;
        differ.push_back(comparable(castTo("(" + sql + ")", type), type) + " IS DISTINCT FROM " +
                         comparable(Scenario::reference(known), type));
    }
    return differ.empty() ? "" : "(" + join(differ, " OR ") + ")";
}

bool Stage::meansOne(const resolve::ResolvedStep& step, Place own) const {
    if (!step.where || step.ownRow || step.byContext >= 0) return true;
    const std::string& text = world_.expressionText(step.where.expression);
    std::set<int> read = dimensionsOf(step.where, 0, text.size(), own);
    return std::any_of(read.begin(), read.end(),
                       [this](int dimension) { return scenario.dimensions[static_cast<size_t>(dimension)].unique; });
}

std::string Stage::insertInto(const PlannedRow& row, const std::function<std::string(const std::string&)>& cell) const {
    std::vector<std::string> columns, values;
    bool overriding = false;
    for (const TestColumn& column : row.table->columns) {
        if (!row.columns.count(column.name)) continue;
        columns.push_back(quoteName(column.name));
        values.push_back(cell(column.name));
        overriding = overriding || column.identity;
    }
    if (columns.empty()) return "INSERT INTO " + tableName(*row.table) + " DEFAULT VALUES";
    return "INSERT INTO " + tableName(*row.table) + " (" + join(columns, ", ") + ")" +
           (overriding ? " OVERRIDING SYSTEM VALUE" : "") + "\nVALUES (" + join(values, ", ") + ")" +
           (row.referred ? "\nON CONFLICT DO NOTHING" : "");
}

std::string Stage::insertRow(int which, const Render& literal) const {
    const PlannedRow& row = scenario.rows[static_cast<size_t>(which)];
    return insertInto(row, [&](const std::string& column) { return literal(row.columns.at(column)); });
}

std::vector<std::string> Stage::allocationRow(const Allocation& allocation, const Render& literal,
                                              const std::map<std::string, std::string>& other) const {
    const PlannedRow& row = scenario.rows[static_cast<size_t>(allocation.row)];
    std::string insert = insertInto(row, [&](const std::string& column) {
        auto found = other.find(column);
        return found == other.end() ? literal(row.columns.at(column)) : found->second;
    });
    return quietly({insert}, {row.table});
}

std::vector<std::string> Stage::quietly(std::vector<std::string> statements,
                                        const std::set<const TestTable*>& tables) const {
    std::set<std::string> listening;
    for (const TestTable* table : tables)
        if (isHeard(*table, resolve::opInsert)) listening.insert(tableName(*table));
    for (const std::string& table : listening) {
        statements.insert(statements.begin(), "ALTER TABLE " + table + " DISABLE TRIGGER specql_capture");
        statements.push_back("ALTER TABLE " + table + " ENABLE TRIGGER specql_capture");
    }
    return statements;
}

bool Stage::isHeard(const TestTable& table, unsigned operations) const {
    return std::any_of(resolver_.actions.begin(), resolver_.actions.end(), [&](const resolve::ResolvedAction& other) {
        return !other.binding.custom && !other.window && (other.binding.ops & operations) && other.binding.entity &&
               other.binding.entity->schema == table.schema && other.binding.entity->table == table.name;
    });
}

std::string Stage::unheard(const std::vector<const TestTable*>& tables) const {
    std::set<std::string> statements;
    for (const TestTable* table : tables)
        if (isHeard(*table, resolve::opInsert | resolve::opUpdate | resolve::opDelete))
            statements.insert("ALTER TABLE " + tableName(*table) + " DISABLE TRIGGER specql_capture;\n");
    return join({statements.begin(), statements.end()}, "");
}

std::vector<std::string> Stage::quietRow(int row, const Render& literal) const {
    return quietly({insertRow(row, literal)}, {scenario.rows[static_cast<size_t>(row)].table});
}

std::vector<std::string> Stage::quietRow(int row, const std::function<std::string(const std::string&)>& cell) const {
    const PlannedRow& planned = scenario.rows[static_cast<size_t>(row)];
    return quietly({insertInto(planned, cell)}, {planned.table});
}

// Whether the fixture inserts a row: not one that the event brings, or that is there already.
bool Stage::isPlanted(int row) const {
    auto fired = rows_.find(Place::after());
    bool allocated = std::any_of(allocations.begin(), allocations.end(),
                                 [&](const Allocation& allocation) { return allocation.row == row; });
    return !allocated && !present.count(row) && (fired == rows_.end() || row != fired->second);
}

std::vector<std::string> Stage::fixture(const Render& literal) const {
    std::vector<std::string> statements;
    std::set<const TestTable*> tables;
    for (size_t i = 0; i < scenario.rows.size(); i++) {
        if (!isPlanted(static_cast<int>(i))) continue;
        statements.push_back(insertRow(static_cast<int>(i), literal));
        tables.insert(scenario.rows[i].table);
    }
    return quietly(std::move(statements), tables);
}

// Compared as text: a value reads the same whatever its type, and there are types without equality.
std::string Stage::isThere(int which, const Render& literal) const {
    const PlannedRow& row = scenario.rows[static_cast<size_t>(which)];
    std::vector<std::string> conditions;
    std::set<int> named;
    for (const auto& [name, dimension] : scenario.names)
        named.insert(dimension);
    for (const auto& [name, dimension] : row.columns) {
        // Of a row that others only refer to, one that an earlier test has left will do.
        if (row.referred && !named.count(dimension)) continue;
        std::string column = "t." + quoteName(name);
        if (scenario.dimensions[static_cast<size_t>(dimension)].unique)
            conditions.push_back(column + " = " + literal(dimension));
        else
            conditions.push_back(column + "::text IS NOT DISTINCT FROM CAST(" + literal(dimension) + " AS " +
                                 row.table->column(name)->type + ")::text");
    }
    return "EXISTS (SELECT FROM " + tableName(*row.table) + " AS t" +
           (conditions.empty() ? "" : " WHERE " + join(conditions, " AND ")) + ")";
}

std::vector<std::string> Stage::rowsThere(const Render& literal) const {
    std::vector<std::string> conditions;
    for (size_t i = 0; i < scenario.rows.size(); i++)
        if (isPlanted(static_cast<int>(i))) conditions.push_back(isThere(static_cast<int>(i), literal));
    return conditions;
}

const TestTable* Stage::eventTable() const {
    return action.binding.custom || !action.binding.entity ? nullptr : tableOf(*action.binding.entity);
}

std::string Stage::eventDone(const Render& literal) const {
    if (operation != resolve::opDelete) return isThere(rows_.at(Place::after()), literal);
    return "NOT " + isThere(rows_.at(Place::before()), literal);
}

bool Stage::isShared(Place own, const std::string& column) const {
    const Name mine{own, column};
    int known = dimension(mine);
    return known >= 0 && std::any_of(scenario.names.begin(), scenario.names.end(),
                                     [&](const auto& name) { return name.second == known && !(name.first == mine); });
}

bool Stage::rowCondition(const resolve::ResolvedStep& step, const Render& render, const std::string& alias,
                         std::string& sql, std::string& why) const {
    auto column = [&](const std::string& name) { return alias + "." + quoteName(name); };
    std::string problem = step.where ? unknowable(world_, resolver_, step.where) : "";
    std::vector<std::string> parts;
    if (step.ownRow)
        parts.push_back(column(step.target->key) + " = " + render(dimension({Place::row(), step.target->key})));
    if (step.byContext >= 0)
        parts.push_back(column(step.target->key) + " = " +
                        value(contexts_[static_cast<size_t>(step.byContext)].key, render, {}, problem));
    if (step.where)
        parts.push_back(
            "(" +
            emit::printBound(world_, resolver_, step.where, 0, world_.expressionText(step.where.expression).size(),
                             [&](const resolve::Value& name) {
                                 return name.kind == resolve::ValueKind::target ? column(name.name)
                                                                                : value(name, render, {}, problem);
                             }) +
            ")");
    if (parts.empty()) problem = "its rows are not known";
    sql = join(parts, " AND ");
    if (!problem.empty()) why = problem;
    return problem.empty();
}

std::string Stage::payload(const Render& literal) const {
    if (outside) return outside->data;
    std::vector<std::string> pairs;
    for (const auto& [name, dimension] : scenario.names)
        if (name.place == Place::payload()) pairs.push_back(quoteLiteral(name.column) + ", " + literal(dimension));
    return "jsonb_build_object(" + join(pairs, ", ") + ")";
}

std::string Stage::subject(const Render& literal) const {
    if (action.binding.custom || !action.binding.entity) return "";
    int key = dimension({Place::row(), action.binding.entity->key});
    return key < 0 ? "" : literal(key) + "::text";
}

std::string Stage::eventCondition(const Render& literal, const std::string& alias) const {
    if (outside) return outside->event(alias);
    std::string sql = alias + ".action = " + quoteLiteral(action.info->name());
    std::string row = subject(literal);
    if (row.empty()) return sql + " AND " + alias + ".data = " + payload(literal);
    return sql + " AND " + alias + ".subject = " + row;
}

std::string Stage::fire(const Render& literal) const {
    if (action.binding.custom)
        return "DO $do$ BEGIN PERFORM specql.emit(" + quoteLiteral(action.binding.event) + ", " + payload(literal) +
               "); END $do$";
    if (operation == resolve::opInsert) return insertRow(rows_.at(Place::after()), literal);
    const resolve::EntityInfo& entity = *action.binding.entity;
    std::string table = quoteName(entity.schema, entity.table);
    std::string where = "\nWHERE " + quoteName(entity.key) + " = " + literal(dimension({Place::row(), entity.key}));
    if (operation == resolve::opDelete) return "DELETE FROM " + table + where;
    std::vector<std::string> set;
    for (const std::string& column : split_)
        if (dimension({Place::after(), column}) >= 0)
            set.push_back(quoteName(column) + " = " + literal(dimension({Place::after(), column})));
    if (set.empty()) set.push_back(quoteName(entity.key) + " = " + quoteName(entity.key));
    return "UPDATE " + table + " SET " + join(set, ", ") + where;
}

}  // namespace specql::testgen
