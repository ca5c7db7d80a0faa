// Tests that a suite has once: rows of a whole statement are consistent with their events, and a cascade ends.
#include <algorithm>

#include "testgen/writer.hpp"
#include "text/quote.hpp"

namespace specql::testgen {

namespace {

// Values for the first arm of an action that can be set off.
Fixture firing(Writer& writer, const Stage& stage) {
    Fixture result;
    for (const Arm& arm : armsOf(stage.action)) {
        std::string sql, why;
        if (!stage.unfit.empty() || !stage.condition(arm, Scenario::reference, sql, why)) continue;
        Fixture found = writer.find(stage, {sql}, {}, stage.focus(arm), why);
        if (!result) result = found;
    }
    return result;
}

// A row for each arm, all changed by one statement; false if the values of a test cannot tell them apart.
bool writeTogether(Writer& writer, const resolve::ResolvedAction& action, std::string description) {
    if (description.empty()) description = action.base + " handles several rows of one statement";
    Stage stage(writer.world, writer.resolver, writer.tables, action, resolve::opUpdate);
    if (!stage.unfit.empty() || !stage.eventTable()->triggers.empty()) return false;
    std::vector<Arm> arms = armsOf(action);
    std::vector<std::string> conditions, changes, set, names, isRow;
    const std::vector<std::string> key = stage.eventKey();
    for (const std::string& column : key) {
        names.push_back(key.size() == 1 ? "key" : "key_" + std::to_string(names.size() + 1));
        isRow.push_back("t." + quoteName(column) + " = v." + names.back());
    }
    std::string why;
    for (const Arm& arm : arms)
        if (!stage.condition(arm, Scenario::reference, conditions.emplace_back(), why)) return false;
    std::vector<Stage::Render> events;
    std::vector<const resolve::ResolvedStep*> steps;
    for (size_t i = 0; i < arms.size(); i++) {
        std::vector<std::string> others = conditions;
        others.erase(others.begin() + static_cast<long>(i));
        Fixture fixture = writer.find(stage, {conditions[i]}, others, stage.focus(arms[i]), why);
        if (!fixture || std::any_of(fixture.held.begin(), fixture.held.end(), [](bool held) { return held; })) continue;
        events.push_back(writer.literals(stage, fixture));
        steps.insert(steps.end(), arms[i].steps.begin(), arms[i].steps.end());
    }
    const resolve::EntityInfo& entity = *action.binding.entity;
    for (const auto& [name, dimension] : stage.scenario.names)
        if (name.place == Place::after()) {
            names.push_back(quoteName(name.column));
            set.push_back(names.back() + " = v." + names.back());
        }
    if (events.empty() || set.empty()) return false;
    std::vector<Reference> references;
    for (const Stage::Render& literal : events) {
        references.emplace_back(writer.world, writer.resolver, stage, literal);
        std::vector<std::string> values;
        for (const std::string& column : key)
            values.push_back(literal(stage.dimension({Place::row(), column})));
        for (const auto& [name, dimension] : stage.scenario.names)
            if (name.place == Place::after()) values.push_back(literal(dimension));
        changes.push_back("(" + join(values, ", ") + ")");
    }
    for (size_t i = 1; i < references.size(); i++)
        references[0].append(references[i]);
    if (std::none_of(steps.begin(), steps.end(),
                     [&](const resolve::ResolvedStep* step) { return !references[0].places(*step, why).empty(); }))
        return false;
    const std::string update = "UPDATE " + quoteName(entity.schema, entity.table) + " AS t SET " + join(set, ", ") +
                               "\nFROM (VALUES " + join(changes, ",\n             ") + ") AS v(" + join(names, ", ") +
                               ")\nWHERE " + join(isRow, " AND ");
    writer.about(action);
    writer.begin(action.info->name() + ": several rows in one statement");
    for (const Stage::Render& literal : events)
        writer.rows(stage, literal);
    writer.mustShow(stage, references[0], update, steps, description);
    writer.rehearse(stage, update, events[0]);
    for (const Stage::Render& literal : events)
        writer.guard(stage, literal);
    for (const resolve::ResolvedStep* step : steps)
        writer.doubt(stage, step, description, static_cast<int>(events.size()));
    writer.checkAll(stage, references[0], update, update, description);
    return true;
}

}  // namespace

void writeConsistency(Writer& writer, const std::vector<const resolve::ResolvedAction*>& actions) {
    std::string description = "event processing maintains data consistency";
    for (const resolve::ResolvedAction* action : actions) {
        if (action->binding.custom || !(action->binding.ops & resolve::opUpdate)) continue;
        if (writeTogether(writer, *action, description)) description.clear();
    }
}

void writeCascade(Writer& writer, const std::vector<const resolve::ResolvedAction*>& actions) {
    const std::string description = "event cascade prevents infinite loops";
    bool written = false;
    for (const resolve::ResolvedAction* action : actions) {
        unsigned operation = operationsOf(*action).front();
        Stage stage(writer.world, writer.resolver, writer.tables, *action, operation);
        Fixture set = firing(writer, stage);
        if (!set || written) continue;
        written = true;
        const std::string schema = action->info->schema, loop = quoteName(schema, "specql_test_loop");
        // Names of actions begin with a schema of whoever registers them.
        const std::string loopAction = schema + ".specql_test_loop";
        const std::string again = "PERFORM specql.emit('specql_test_loop', '{}'::jsonb);";
        writer.about(*action);
        writer.begin(action->info->name() + ": a cascade without end");
        Stage::Render literal = writer.literals(stage, set);
        writer.rows(stage, literal);
        writer.step("CREATE FUNCTION " + loop +
                    "() RETURNS void LANGUAGE plpgsql SECURITY DEFINER\nSET search_path = pg_catalog, pg_temp AS "
                    "$body$ BEGIN " +
                    again + " END $body$");
        writer.step("DO $do$ BEGIN PERFORM specql.register_action(" + quoteLiteral(loopAction) +
                    ", 'specql_test_loop', NULL, " + quoteLiteral(loop) + ", NULL); END $do$");
        writer.rehearse(stage, stage.fire(literal), literal);
        writer.step(breakHandler(*action, again));
        writer.step(stage.fire(literal));
        writer.check(
            "is((SELECT ROW(f.status, f.depth, f.detail LIKE " +
                quoteLiteral("%" + action->info->name() + " → " + loopAction + "%") +
                ")::text\n    FROM specql.failures AS f WHERE f.action = " + quoteLiteral(loopAction) +
                "),\n    ROW('parked', current_setting('specql.max_cascade_depth')::integer + 1, true)::text, " +
                quoteLiteral(description) + ")",
            description);
        writer.step(mendHandler(*action));
        writer.step("DO $do$ BEGIN PERFORM specql.unregister_action(" + quoteLiteral(loopAction) + "); END $do$");
        writer.step("DROP FUNCTION " + loop + "()");
    }
    if (!written && !actions.empty()) {
        writer.begin("a cascade without end");
        writer.skip(description, "no action was found that can be set off");
    }
}

}  // namespace specql::testgen
