// Tests that a suite has once: rows of a whole statement are consistent with their events, and a cascade ends.
#include <algorithm>

#include "testgen/doubts.hpp"
#include "testgen/writer.hpp"
#include "text/quote.hpp"

namespace specql::testgen {

namespace {

// Values for the first arm of an action that can be set off.
Fixture firing(Writer& writer, const Stage& stage) {
    Fixture result;
    for (const Arm& arm : armsOf(writer.world, stage.action)) {
        std::string sql, why;
        if (!stage.unfit.empty() || !stage.condition(arm, Scenario::reference, sql, why)) continue;
        Fixture found = writer.find(stage, {sql}, {}, stage.focus(arm), why);
        if (!result) result = found;
    }
    return result;
}

// One event row for each arm, all changed by one statement.
class Together {
public:
    Together(Writer& writer, const resolve::ResolvedAction& action)
        : writer_(writer),
          stage_(writer.world, writer.resolver, writer.tables, action, resolve::opUpdate),
          arms_(namedArms(writer.world, action)) {}

    // False if the action writes no rows that tell which event they are about.
    bool write(const std::string& description) {
        if (!stage_.unfit.empty()) return false;
        std::vector<std::string> conditions;
        std::string why;
        for (const Arm& arm : arms_) {
            std::string sql;
            if (!stage_.condition(arm, Scenario::reference, sql, why)) return false;
            conditions.push_back(sql);
        }
        for (size_t i = 0; i < arms_.size(); i++) {
            std::vector<std::string> others = conditions;
            others.erase(others.begin() + static_cast<long>(i));
            Fixture fixture = writer_.find(stage_, {conditions[i]}, others, stage_.focus(arms_[i]), why);
            bool alone =
                fixture && std::none_of(fixture.held.begin(), fixture.held.end(), [](bool held) { return held; });
            if (alone) add(arms_[i], writer_.literals(stage_, fixture));
        }
        if (rows_.empty() || changes_.empty()) return false;
        const resolve::EntityInfo& entity = *stage_.action.binding.entity;
        // What triggers and rules of others make of the rows is not known here.
        if (!stage_.eventTable()->triggers.empty() || !stage_.tableOf(*entity_)->triggers.empty()) return false;
        writer_.about(stage_.action);
        writer_.begin(stage_.action.info->name() + ": several rows in one statement");
        for (const std::vector<std::string>& statements : fixtures_)
            writer_.fixture(statements);
        for (const std::string& condition : there_)
            writer_.add(StatementKind::excuse, "SELECT 'a row is not as it was written' WHERE NOT " + condition, "");
        writer_.add(StatementKind::rehearsal, markSql(), "");
        std::vector<std::string> names = {"key"}, set;
        for (const std::string& column : columns_) {
            names.push_back(quoteName(column));
            set.push_back(quoteName(column) + " = v." + quoteName(column));
        }
        writer_.add(StatementKind::fire,
                    "UPDATE " + quoteName(entity.schema, entity.table) + " AS t SET " + join(set, ", ") +
                        "\nFROM (VALUES " + join(changes_, ",\n             ") + ") AS v(" + join(names, ", ") +
                        ")\nWHERE t." + quoteName(entity.key) + " = v.key",
                    "");
        for (const resolve::ResolvedStep* step : steps_)
            for (const Meddler& other : meddlers(writer_.resolver, stage_.action, *step, Meddled::effect))
                writer_.add(StatementKind::excuse, other.excuse(stage_, nullptr), "");
        compare(description);
        return true;
    }

private:
    void add(const Arm& arm, const Stage::Render& literal) {
        std::vector<InsertedRow> inserted;
        for (const resolve::ResolvedStep* step : arm.steps) {
            InsertedRow row;
            std::string why;
            if (step->spec->kind != spec::StepKind::insert ||
                !insertedRow(writer_.world, writer_.resolver, stage_, *step, literal, row, why) || row.links.empty())
                continue;
            if (!entity_) entity_ = row.entity;
            if (row.entity != entity_) continue;
            inserted.push_back(std::move(row));
            steps_.push_back(step);
        }
        if (inserted.empty()) return;
        const resolve::EntityInfo& entity = *stage_.action.binding.entity;
        columns_.clear();
        std::vector<std::string> values = {literal(stage_.dimension({Place::row(), entity.key}))};
        for (const auto& [name, dimension] : stage_.scenario.names)
            if (name.place == Place::after()) {
                columns_.push_back(name.column);
                values.push_back(literal(dimension));
            }
        if (columns_.empty()) return;
        changes_.push_back("(" + join(values, ", ") + ")");
        fixtures_.push_back(stage_.fixture(literal));
        for (std::string& condition : stage_.rowsThere(literal))
            there_.push_back(std::move(condition));
        std::move(inserted.begin(), inserted.end(), std::back_inserter(rows_));
    }

    // The columns that every arm sets.
    void compare(const std::string& description) {
        std::vector<std::string> have, where, want;
        for (size_t c = 0; c < rows_[0].columns.size(); c++) {
            const std::string& column = rows_[0].columns[c];
            bool everywhere = std::all_of(rows_.begin(), rows_.end(), [&](const InsertedRow& row) {
                return std::find(row.columns.begin(), row.columns.end(), column) != row.columns.end();
            });
            if (everywhere) shared_.push_back(column);
        }
        for (const std::string& column : shared_)
            have.push_back(comparable("t." + quoteName(column), entity_->column(column)->type));
        for (const InsertedRow& row : rows_) {
            std::vector<std::string> values;
            for (const std::string& column : shared_) {
                size_t at = static_cast<size_t>(std::find(row.columns.begin(), row.columns.end(), column) -
                                                row.columns.begin());
                values.push_back(comparable(castTo(row.values[at], row.types[at]), row.types[at]) + " AS " +
                                 quoteName(column));
            }
            want.push_back("SELECT " + join(values, ", "));
            for (const std::string& link : row.links)
                if (link.find("::") != std::string::npos && std::find(where.begin(), where.end(), link) == where.end())
                    where.push_back(link);
        }
        writer_.check("bag_eq(" +
                          dollarQuote("\n    SELECT " + join(have, ", ") + "\n    FROM " +
                                          quoteName(entity_->schema, entity_->table) + " AS t WHERE " +
                                          join(where, " OR ") + "\n",
                                      "sql") +
                          ", " + dollarQuote("\n    " + join(want, "\n    UNION ALL ") + "\n", "sql") + ",\n    " +
                          quoteLiteral(description) + ")",
                      description);
    }

    Writer& writer_;
    Stage stage_;
    std::vector<Arm> arms_;
    const resolve::EntityInfo* entity_ = nullptr;
    std::vector<InsertedRow> rows_;
    std::vector<std::vector<std::string>> fixtures_;
    std::vector<std::string> columns_, changes_, shared_, there_;
    std::vector<const resolve::ResolvedStep*> steps_;
};

}  // namespace

void writeConsistency(Writer& writer, const std::vector<const resolve::ResolvedAction*>& actions) {
    for (const resolve::ResolvedAction* action : actions) {
        if (action->binding.custom || !(action->binding.ops & resolve::opUpdate)) continue;
        if (Together(writer, *action).write("event processing maintains data consistency")) return;
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
        for (const std::string& sql : breakHandler(*action, again))
            writer.step(sql);
        writer.step(stage.fire(literal));
        writer.check(
            "is((SELECT ROW(f.status, f.depth, f.detail LIKE " +
                quoteLiteral("%" + action->info->name() + " → " + loopAction + "%") +
                ")::text\n    FROM specql.failures AS f WHERE f.action = " + quoteLiteral(loopAction) +
                "),\n    ROW('parked', current_setting('specql.max_cascade_depth')::integer + 1, true)::text, " +
                quoteLiteral(description) + ")",
            description);
        for (const std::string& sql : mendHandler(*action))
            writer.step(sql);
        writer.step("DO $do$ BEGIN PERFORM specql.unregister_action(" + quoteLiteral(loopAction) + "); END $do$");
        writer.step("DROP FUNCTION " + loop + "()");
    }
    if (!written && !actions.empty()) {
        writer.begin("a cascade without end");
        writer.skip(description, "no action was found that can be set off");
    }
}

}  // namespace specql::testgen
