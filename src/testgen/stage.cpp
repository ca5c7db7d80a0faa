#include "testgen/stage.hpp"

#include <algorithm>

#include "testgen/knowable.hpp"
#include "testgen/needs.hpp"
#include "text/quote.hpp"

namespace specql::testgen {

namespace {

std::string tableName(const TestTable& table) {
    return quoteName(table.schema, table.name);
}

}  // namespace

Stage::Stage(const resolve::World& world, const resolve::Resolver& resolver, const TestTables& tables,
             const resolve::ResolvedAction& action, unsigned operation, std::vector<std::string> answers)
    : Meaning(world, resolver, tables, action, operation) {
    this->answers = std::move(answers);
    Needs(*this).find();
    unfit = scenario.unfit;
}

// --- what a search is about ------------------------------------------------------------------------------------------

void Stage::focusOn(const resolve::BoundExpression& bound, const Scope& scope, Focus& focus) const {
    if (!bound) return;
    const spec::ConditionText condition = spec::readCondition(world.expressionText(bound.expression));
    for (int known : dimensionsOf(bound, scope)) {
        const Dimension& dimension = scenario.at(known);
        if (dimension.unique) continue;
        const std::vector<std::string> spoken =
            candidates(dimension.baseType, dimension.labels, condition, static_cast<size_t>(known));
        const std::vector<size_t> before = focus[known];
        // Values that no other row has, where that is demanded; those that this condition speaks of; then those that an
        // earlier one spoke of.
        auto rank = [&](size_t n) {
            const std::string& value = dimension.candidates[n];
            if (value.find(numberMark) != std::string::npos) return size_t(0);
            const size_t place = static_cast<size_t>(std::find(spoken.begin(), spoken.end(), value) - spoken.begin());
            const size_t earlier = static_cast<size_t>(std::find(before.begin(), before.end(), n) - before.begin());
            return place < spoken.size() ? 1 + place : 1 + spoken.size() + earlier;
        };
        std::vector<std::pair<size_t, size_t>> order;
        for (size_t n = 0; n < dimension.candidates.size(); n++)
            order.emplace_back(rank(n), n);
        std::sort(order.begin(), order.end());
        focus[known].clear();
        for (const auto& [rank, n] : order)
            focus[known].push_back(n);
    }
}

Focus Stage::focus(const Arm& arm) const {
    Focus found;
    for (const Arm::Part& part : arm.parts)
        focusOn(*part.condition, {}, found);
    std::set<const resolve::ResolvedStep*> placedSteps = {nullptr};
    for (const PlacedStep& placed : steps(arm)) {
        if (!placed.scope.own) continue;
        placedSteps.insert(placed.step);
        focusOn(placed.step->where, placed.scope, found);
        focusOn(placed.step->limit, placed.scope, found);
    }
    for (const PlacedStep& placed : steps(arm))
        for (const resolve::BoundExpression* value : valuesOf(*placed.step))
            if (!value->tables.empty()) focusOn(*value, placed.scope, found);
    for (const Demanded& demanded : demanded_)
        if (placedSteps.count(demanded.scope.changing)) focusOn(demanded.condition, demanded.scope, found);
    auto take = [&](int known) {
        if (known >= 0 && !found.count(known))
            for (size_t n = 0; n < scenario.at(known).candidates.size(); n++)
                found[known].push_back(n);
    };
    for (const std::string& column : split)
        for (Place side : {Place::before(), Place::after()})
            take(dimension({side, column}));
    // What a step sets is not there before, if that can be.
    for (const PlacedStep& placed : steps(arm))
        for (const resolve::BoundAssignment& assignment : placed.step->set) {
            const std::string literal = writesRows(*placed.step) ? literalOf(world, assignment) : "";
            const int known = literal.empty() ? -1
                                              : dimension(eventColumn(assignment.column, true),
                                                          {placed.scope.own, placed.scope.element, placed.step});
            if (known < 0 || scenario.at(known).unique) continue;
            take(known);
            std::stable_partition(found[known].begin(), found[known].end(),
                                  [&](size_t n) { return scenario.at(known).candidates[n] != literal; });
        }
    return found;
}

std::vector<std::string> Stage::wheres(const Arm& arm) const {
    std::vector<std::string> found;
    std::string sql, why;
    for (const PlacedStep& placed : steps(arm)) {
        const resolve::ResolvedStep& step = *placed.step;
        if (!placed.scope.own) continue;
        if (step.where && print(step.where, Scenario::reference, placed.scope, sql, why)) found.push_back(sql);
        if (!step.allocated.empty() && step.limit && print(step.limit, Scenario::reference, placed.scope, sql, why))
            found.push_back("(" + sql + ") >= 1");
    }
    return found;
}

std::vector<std::string> Stage::telling(const Arm& arm) const {
    std::vector<std::string> found;
    for (const PlacedStep& placed : steps(arm)) {
        std::string sql = changes(*placed.step, placed.scope), why;
        if (!sql.empty() && !placed.scope.element) found.push_back(sql);
        if (placed.scope.element && placed.step->spec->kind == spec::StepKind::branch &&
            print(placed.step->condition, Scenario::reference, placed.scope, sql, why))
            found.push_back("(" + sql + (placed.scope.element.element == 0 ? ") IS TRUE" : ") IS NOT TRUE"));
        for (const resolve::BoundExpression* value : valuesOf(*placed.step))
            for (std::string& finding : findings(*value, placed.scope))
                found.push_back(std::move(finding));
    }
    return found;
}

std::string Stage::changes(const resolve::ResolvedStep& step, const Scope& scope) const {
    if (step.spec->kind != spec::StepKind::update || !scope.own) return "";
    const Scope changed{scope.own, scope.element, &step};
    std::vector<std::string> changes;
    for (const resolve::BoundAssignment& assignment : step.set) {
        std::string before, after, why;
        if (!assignment.value ||
            !printValue(eventColumn(assignment.column, true), Scenario::reference, before, why, changed) ||
            !printValue(eventColumn(assignment.column, false), Scenario::reference, after, why, changed))
            return "";
        changes.push_back(differ(after, before));
    }
    return changes.empty() ? "" : "(" + join(changes, " OR ") + ")";
}

std::set<int> Stage::before(const std::set<int>& dimensions) const {
    std::set<int> found;
    for (const std::string& column : split)
        if (dimensions.count(dimension({Place::after(), column}))) found.insert(dimension({Place::before(), column}));
    found.erase(-1);
    for (int known : dimensions)
        found.erase(known);
    return found;
}

bool Stage::meansOne(const resolve::ResolvedStep& step, const Scope& scope) const {
    if (!step.where || step.ownRow || step.byContext >= 0) return true;
    const std::set<int> read = dimensionsOf(step.where, scope);
    return std::any_of(read.begin(), read.end(), [this](int dimension) { return scenario.at(dimension).unique; });
}

// --- rows ------------------------------------------------------------------------------------------------------------

int Stage::rowOf(Place place) const {
    auto found = scenario.places.find(place);
    if (found == scenario.places.end() && place == Place::after()) found = scenario.places.find(Place::before());
    return found == scenario.places.end() ? -1 : found->second;
}

bool Stage::isShared(Place place, const std::string& column) const {
    const Name mine{place, column};
    const int known = dimension(mine);
    return known >= 0 && std::any_of(scenario.names.begin(), scenario.names.end(),
                                     [&](const auto& name) { return name.second == known && !(name.first == mine); });
}

std::string Stage::insert(int which, const Render& literal, const std::map<std::string, std::string>& other) const {
    const PlannedRow& row = scenario.row(which);
    std::vector<std::string> columns, values;
    bool overriding = false;
    for (const TestColumn& column : row.table->columns) {
        auto known = row.columns.find(column.name);
        if (known == row.columns.end()) continue;
        auto instead = other.find(column.name);
        columns.push_back(quoteName(column.name));
        values.push_back(instead == other.end() ? literal(known->second) : instead->second);
        overriding = overriding || column.identity;
    }
    if (columns.empty()) return "INSERT INTO " + tableName(*row.table) + " DEFAULT VALUES";
    return "INSERT INTO " + tableName(*row.table) + " (" + join(columns, ", ") + ")" +
           (overriding ? " OVERRIDING SYSTEM VALUE" : "") + "\nVALUES (" + join(values, ", ") + ")" +
           (row.referred ? "\nON CONFLICT DO NOTHING" : "");
}

bool Stage::isHeard(const TestTable& table, unsigned operations) const {
    return std::any_of(resolver.actions.begin(), resolver.actions.end(), [&](const resolve::ResolvedAction& other) {
        return !other.binding.custom && !other.window && !other.isAnswer() && !resolve::isBefore(*other.info) &&
               (other.binding.ops & operations) && other.binding.entity &&
               other.binding.entity->schema == table.schema && other.binding.entity->table == table.name;
    });
}

// Rows of a test are brought in as they are, in whatever state.
bool Stage::hasStates(const TestTable& table) const {
    return std::any_of(world.entities.begin(), world.entities.end(), [&](const resolve::EntityInfo& entity) {
        return entity.schema == table.schema && entity.table == table.name && entity.spec && entity.spec->states;
    });
}

std::vector<std::string> Stage::quietly(std::vector<std::string> statements, const std::set<int>& rows) const {
    std::set<std::pair<std::string, std::string>> silenced;  // tables and their triggers
    for (int row : rows) {
        const TestTable& table = *scenario.row(row).table;
        if (isHeard(table, resolve::opInsert)) silenced.emplace(tableName(table), "specql_capture");
        if (hasStates(table)) silenced.emplace(tableName(table), "specql_first_state");
        for (const resolve::ResolvedAction& other : resolver.actions)
            if (resolve::isBefore(*other.info) && (other.binding.ops & resolve::opInsert) &&
                tableOf(*other.binding.entity) == &table && !isSwitchedOff(*other.info) &&
                other.info->spec->fires.value != "replica")
                silenced.emplace(tableName(table), quoteName("before_" + other.base));
    }
    for (const auto& [table, trigger] : silenced) {
        statements.insert(statements.begin(), "ALTER TABLE " + table + " DISABLE TRIGGER " + trigger);
        statements.push_back("ALTER TABLE " + table + " ENABLE TRIGGER " + trigger);
    }
    return statements;
}

std::string Stage::unheard(const std::vector<const TestTable*>& tables) const {
    std::set<std::string> statements;
    for (const TestTable* table : tables)
        if (isHeard(*table, resolve::opInsert | resolve::opUpdate | resolve::opDelete))
            statements.insert("ALTER TABLE " + tableName(*table) + " DISABLE TRIGGER specql_capture;\n");
    return join({statements.begin(), statements.end()}, "");
}

std::vector<std::string> Stage::quietRow(int row, const Render& literal,
                                         const std::map<std::string, std::string>& other) const {
    return quietly({insert(row, literal, other)}, {row});
}

std::vector<int> Stage::planted() const {
    std::set<int> others;
    if (auto fired = scenario.places.find(Place::after()); fired != scenario.places.end()) others.insert(fired->second);
    for (const Allocation& allocation : allocations)
        others.insert(allocation.row);
    std::vector<int> rows;
    std::copy_if(scenario.order.begin(), scenario.order.end(), std::back_inserter(rows),
                 [&](int row) { return !others.count(row); });
    return rows;
}

std::vector<std::string> Stage::fixture(const Render& literal) const {
    std::vector<std::string> statements;
    for (int row : planted())
        statements.push_back(insert(row, literal));
    const std::vector<int> rows = planted();
    return quietly(std::move(statements), {rows.begin(), rows.end()});
}

// Compared as text: a value reads the same whatever its type, and there are types without equality.
std::string Stage::isThere(int which, const Render& literal) const {
    const PlannedRow& row = scenario.row(which);
    std::vector<std::string> conditions;
    std::set<int> named;
    for (const auto& [name, dimension] : scenario.names)
        named.insert(dimension);
    for (const auto& [name, dimension] : row.columns) {
        // Of a row that others only refer to, one that an earlier test has left will do.
        if (row.referred && !named.count(dimension)) continue;
        const std::string column = "t." + quoteName(name);
        if (scenario.at(dimension).unique)
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
    for (int row : planted())
        conditions.push_back(isThere(row, literal));
    return conditions;
}

// --- the event -------------------------------------------------------------------------------------------------------

std::string Stage::eventDone(const Render& literal) const {
    if (operation != resolve::opDelete) return isThere(scenario.places.at(Place::after()), literal);
    return "NOT " + isThere(scenario.places.at(Place::before()), literal);
}

namespace {

// For the row with the key in the payload, at the time in it.
std::string runDue(const resolve::ResolvedAction& action, const std::string& payload) {
    auto valueOf = [&](const std::string& key) { return "(" + payload + ") ->> " + quoteLiteral(key); };
    return "specql.run_due(" + quoteLiteral(action.info->name()) + ", " + valueOf(action.binding.due.key()) + ", (" +
           valueOf(resolve::dueTimeKey) + ")::timestamptz)";
}

}  // namespace

std::string Stage::raise(const resolve::ResolvedAction& action, const std::string& payload) {
    // What waits for an action that is not paused is handled by resume.
    const std::string name = quoteLiteral(action.info->name());
    const std::string event = quoteLiteral(action.binding.event);
    const std::string call = action.binding.isDue()     ? runDue(action, payload)
                             : action.binding.scheduled ? "specql.run_schedule(" + name + ", " + payload + ")"
                             : action.binding.ofEngine  ? "specql.rehearse(" + event + ", " + payload + ")"
                                                        : "specql.emit(" + event + ", " + payload + ")";
    return "DO $do$ BEGIN PERFORM " + call + (action.binding.isKnown() ? ", specql.resume(" + name + ")" : "") +
           "; END $do$";
}

std::string Stage::fire(const Render& literal) const {
    if (action.binding.custom) return raise(action, payload(literal));
    if (operation == resolve::opInsert) return insert(scenario.places.at(Place::after()), literal);
    const std::string table = tableName(*eventTable()), key = quoteName(eventKey().front());
    const std::string where = "\nWHERE " + isEventRow(literal);
    if (operation == resolve::opDelete) return "DELETE FROM " + table + where;
    std::vector<std::string> set;
    for (const std::string& column : split)
        if (int after = dimension({Place::after(), column}); after >= 0)
            set.push_back(quoteName(column) + " = " + literal(after));
    if (set.empty()) set.push_back(key + " = " + key);
    return "UPDATE " + table + " SET " + join(set, ", ") + where;
}

}  // namespace specql::testgen
