#include "emit/fold.hpp"

#include <algorithm>

#include "emit/steps.hpp"
#include "spec/condition.hpp"
#include "text/quote.hpp"

namespace specql::emit {

namespace {

// `id = account` as a part that must hold: the event's value on its other side.
std::optional<resolve::Value> keyOfWhere(const resolve::ResolvedAction& action, const resolve::World& world,
                                         const resolve::ResolvedStep& step) {
    const std::vector<resolve::Value>& values = step.where.values;
    const std::vector<NameUse>& names = world.facts(step.where.expression).names;
    for (const spec::Atom& atom : spec::readCondition(world.expressionText(step.where.expression)).atoms)
        for (size_t i = 0; atom.conjunct && i + 1 < values.size(); i++) {
            if (!isEquality(world, step.where, atom, i)) continue;
            const bool turned = values[i].kind != resolve::ValueKind::target;
            const resolve::Value &own = values[turned ? i + 1 : i], &other = values[turned ? i : i + 1];
            bool key = own.kind == resolve::ValueKind::target && own.name == step.target->key &&
                       isOfRow(other, action) && sameWhenEqual(own.type, other.type);
            if (key && names.size() == values.size()) return other;
        }
    return {};
}

// What the row's events are read with beside their values.
bool collides(const resolve::ResolvedAction& action) {
    const std::vector<resolve::ColumnInfo>& columns = action.binding.entity->columns;
    return std::any_of(columns.begin(), columns.end(), [](const resolve::ColumnInfo& column) {
        return column.name == "ordinality" || column.name == "first_of_row" || column.name == "last_of_row";
    });
}

}  // namespace

std::optional<resolve::Value> readFold(const resolve::World& world, const resolve::Resolver& resolver,
                                       const resolve::ResolvedAction& action, const resolve::ResolvedStep& step) {
    bool plain = step.spec->kind == spec::StepKind::update && !step.limit && step.order.empty() && step.target &&
                 !step.target->key.empty() && !action.binding.custom && !resolve::isFunction(*action.info);
    // WHERE may leave out the row that VIA leads to, which is decided event by event.
    if (!plain || (step.where && step.byContext >= 0) || collides(action)) return {};
    std::vector<const resolve::BoundExpression*> read = {&step.where};
    for (const resolve::BoundAssignment& set : step.set) {
        if (set.taken || set.column == step.target->key) return {};
        read.push_back(&set.value);
    }
    for (const resolve::BoundExpression* bound : read) {
        // A function that reads tables must see the row as the event before has left it, and nextval() must be called
        // in the order of the events. Both need the row written each time.
        if (bound->request >= 0) {
            const AnalysisResult& result = resolver.results()[static_cast<size_t>(bound->request)];
            if (!result.ok || result.isVolatile || result.readsRows) return {};
        }
        for (const resolve::Value& value : bound->values) {
            // PostgreSQL computes a generated column when the row is written.
            const resolve::ColumnInfo* column =
                value.kind == resolve::ValueKind::target ? step.target->column(value.name) : nullptr;
            if (column ? column->generated : !isOfRow(value, action)) return {};
        }
    }
    if (step.where) return keyOfWhere(action, world, step);
    if (step.byContext < 0) return {};
    const resolve::Value& key = action.contexts[static_cast<size_t>(step.byContext)].key;
    return isOfRow(key, action) ? std::optional<resolve::Value>(key) : std::nullopt;
}

std::string StepEmitter::foldUpdate(const resolve::ResolvedStep& step, const resolve::Value& keyValue,
                                    const StepPlace& place) {
    const resolve::EntityInfo& target = *step.target;
    const std::string table = quoteName(target.schema, target.table), key = quoteName(target.key);
    const std::string row = takenName(target, "v_row");
    declare("v_event record;");
    declare("v_changed boolean;");
    declare("v_each boolean;");
    declare(row + " " + table + ";");
    printer_.eventAlias = "r";
    const std::string grouped = printer_.print(keyValue, true);
    printer_.eventAlias = "v_event";
    const std::string keySql = printer_.print(keyValue, true);
    const std::string owed =
        step.byContext < 0 ? "" : printer_.owed(action_.contexts[static_cast<size_t>(step.byContext)]);
    std::string aliasBefore = printer_.targetAlias;
    printer_.targetAlias = row;
    std::vector<std::string> values, variables, sets;
    for (const resolve::BoundAssignment& set : step.set) {
        std::string column = quoteName(set.column);
        values.push_back(assignmentSql(set));
        variables.push_back(row + "." + column);
        sets.push_back(column + " = " + row + "." + column);
    }
    std::string change = values.size() == 1
                             ? variables[0] + " := " + values[0] + ";\n"
                             : "SELECT " + join(values, ",\n    ") + "\nINTO " + join(variables, ", ") + ";\n";
    change = "IF " + (step.where ? printer_.print(step.where) : row + "." + key + " IS NOT NULL") + " THEN\n" +
             indent(change + "v_changed := true;\n", 4) + "END IF;\n";
    printer_.targetAlias = aliasBefore;
    printer_.eventAlias = "e";
    std::string missing;
    if (!owed.empty())
        missing = "    IF NOT FOUND AND " + owed +
                  " THEN\n        RAISE EXCEPTION USING ERRCODE = 'SQ201',\n            MESSAGE = format('" +
                  keyValue.name + " %s names no row of " + target.shown() + "', " + keySql + ");\n    END IF;\n";
    std::string body = "IF v_event.first_of_row THEN\n    SELECT t.* INTO " + row + "\n    FROM " + table +
                       " AS t\n    WHERE t." + key + " = " + keySql + "\n    FOR NO KEY UPDATE;\n" + missing +
                       "    v_changed := false;\nEND IF;\n" + change + "IF v_event.last_of_row AND v_changed THEN\n" +
                       indent("UPDATE " + table + " AS t\nSET " + join(sets, ",\n    ") + "\nWHERE t." + key + " = " +
                                  row + "." + key + ";\n",
                              4) +
                       "END IF;\n";
    std::string rows = place.from.substr(0, place.from.rfind(" AS "));
    return "-- each row is read once, changed by its events in their order, and written once; by each of them if a "
           "rule listens to it\nv_each := specql.has_update_rules(" +
           quoteLiteral(table) +
           ");\nFOR v_event IN\n"
           "    SELECT r.*, v_each OR lag(true) OVER same_row IS NULL AS first_of_row,\n"
           "           v_each OR lead(true) OVER same_row IS NULL AS last_of_row\n    FROM " +
           rows + " WITH ORDINALITY AS r\n    WINDOW same_row AS (PARTITION BY " + grouped +
           " ORDER BY r.ordinality)\n    ORDER BY CASE WHEN NOT v_each THEN " + grouped + " END, r.ordinality\nLOOP\n" +
           indent(body, 4) + "END LOOP;\n";
}

}  // namespace specql::emit
