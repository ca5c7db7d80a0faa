// Tests of sagas: one begins, and its row tells of it; what its steps did, up to each of them, is undone by what undoes
// them; one that is under way is undone by hand. The functions of the steps are called one after the other, in one
// transaction, so no service is asked: each answers with nothing.
#include <algorithm>

#include "emit/stage.hpp"
#include "resolve/process.hpp"
#include "testgen/writer.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::testgen {

namespace {

bool findsRows(const resolve::ResolvedStep& step) {
    return step.target && (step.spec->kind == spec::StepKind::update || step.spec->kind == spec::StepKind::remove);
}

bool usesResults(const resolve::BoundExpression& bound) {
    return std::any_of(bound.values.begin(), bound.values.end(),
                       [](const resolve::Value& value) { return value.kind == resolve::ValueKind::result; });
}

// The steps that a test has to have rows for, as those of an action that does them at once.
resolve::ResolvedAction atOnce(resolve::ResolvedAction action) {
    std::vector<resolve::ResolvedStep> steps;
    for (const resolve::ResolvedStep& stage : action.branches.front().steps)
        for (const resolve::ResolvedStep& step : stage.then) {
            const bool isTest = step.spec->kind == spec::StepKind::validate && !usesResults(step.condition);
            if (!isTest && (!findsRows(step) || !step.where || usesResults(step.where))) continue;
            resolve::ResolvedStep plain = step;
            plain.then.clear();
            plain.set.erase(std::remove_if(plain.set.begin(), plain.set.end(),
                                           [](const auto& set) { return usesResults(set.value); }),
                            plain.set.end());
            steps.push_back(std::move(plain));
        }
    action.branches.front().steps = std::move(steps);
    return action;
}

// Whether what undoes a step leaves its rows as they were before it.
bool isExact(const resolve::World& world, const resolve::ResolvedStep& step, const resolve::ResolvedStep& undo) {
    if (!undo.ofStage || undo.target != step.target) return false;
    const spec::StepKind does = step.spec->kind, undoes = undo.spec->kind;
    if (does == spec::StepKind::insert) return undoes == spec::StepKind::remove;
    if (does == spec::StepKind::remove) return undoes == spec::StepKind::insert;
    if (does != spec::StepKind::update || undoes != does || step.set.size() != undo.set.size()) return false;
    // reserved + quantity, and reserved - quantity
    for (size_t i = 0; i < step.set.size(); i++) {
        if (!step.set[i].value || !undo.set[i].value || step.set[i].column != undo.set[i].column) return false;
        const std::string& there = world.expressionText(step.set[i].value.expression);
        const std::string& back = world.expressionText(undo.set[i].value.expression);
        const size_t sign = there.find_first_of("+-");
        if (sign == std::string::npos || there.find_first_of("+-*/(", sign + 1) != std::string::npos) return false;
        std::string opposite = there;
        opposite[sign] = there[sign] == '+' ? '-' : '+';
        if (opposite != back) return false;
    }
    return true;
}

class Saga {
public:
    Saga(Writer& writer, const resolve::ResolvedAction& action)
        : writer_(writer),
          saga_(action),
          action_(atOnce(alone(action))),
          stages_(action.branches.front().steps),
          name_(snakeCase(action.info->spec->name.value)),
          schema_(action.info->schema),
          stage_(writer.world, writer.resolver, writer.tables, action_, 0) {}

    void write() {
        search();
        begins();
        for (size_t last = 0; last < stages_.size(); last++)
            if (!stages_[last].otherwise.empty() && resolve::writtenBy(stages_[last])) undone(last);
    }

private:
    void search() {
        why_ = stage_.unfit;
        if (why_.empty() && action_.required) why_ = "who calls it is asked";
        if (!why_.empty()) return;
        for (const Arm& arm : namedArms(writer_.world, action_)) {
            std::vector<std::string> conditions = stage_.wheres(arm);
            Focus focus = stage_.focus(arm);
            std::string sql;
            if (stage_.condition(arm, Scenario::reference, sql, why_)) conditions.push_back(sql);
            for (const PlacedStep& placed : stage_.steps(arm))
                for (const resolve::ResolvedStep* test : testsOf(*placed.step->spec))
                    if (stage_.print(test->condition, Scenario::reference, placed.scope, sql, why_)) {
                        conditions.push_back("(" + sql + ") IS TRUE");
                        stage_.focusOn(test->condition, placed.scope, focus);
                    }
            why_.clear();
            fixture_ = writer_.find(stage_, conditions, {}, focus, why_);
        }
    }

    // What must hold of the rows of a step.
    std::vector<const resolve::ResolvedStep*> testsOf(const spec::Step& spec) const {
        std::vector<const resolve::ResolvedStep*> tests;
        for (const resolve::ResolvedStep& stage : stages_)
            for (const resolve::ResolvedStep& step : stage.then)
                if (step.spec == &spec)
                    for (const resolve::ResolvedStep& test : step.then)
                        tests.push_back(&test);
        return tests;
    }

    std::string argument(const std::string& key, const Stage::Render& literal) const {
        const int dimension = stage_.dimension({Place::payload(), key});
        const std::string& type = saga_.payload.at(key);
        return "(" + (dimension < 0 ? "NULL" : literal(dimension)) + ")::" + type;
    }

    bool isReady(const std::string& description) {
        if (fixture_) return true;
        writer_.skip(description, why_.empty() ? "no values are known under which its steps can be done" : why_);
        return false;
    }

    // --- it begins ---------------------------------------------------------------------------------------------------

    void begins() {
        writer_.begin(saga_.info->name() + ": begins");
        const std::string title = name_ + " begins";
        if (!isReady(title)) return;
        Stage::Render literal = writer_.literals(stage_, fixture_);
        writer_.rows(stage_, literal);
        std::vector<std::string> arguments;
        for (const std::string& key : saga_.payloadOrder)
            arguments.push_back(argument(key, literal));
        writer_.fixture("DO $do$ BEGIN PERFORM set_config('specql_test.saga', " + quoteName(schema_, name_) + "(" +
                        join(arguments, ", ") + ")::text, true); END $do$");
        const std::string id = "current_setting('specql_test.saga')::uuid";
        writer_.check(
            "ok(EXISTS (SELECT FROM specql.processes AS p WHERE p.id = " + id + "), " + quoteLiteral(title) + ")",
            title);
        if (saga_.record) {
            const std::string told = name_ + " has a row that tells of it";
            writer_.check("ok(EXISTS (SELECT FROM " + quoteName(saga_.record->schema, saga_.record->table) +
                              " AS t WHERE t." + quoteName(saga_.record->key) + " = " + id + "), " +
                              quoteLiteral(told) + ")",
                          told);
        }
        const std::string byHand = name_ + " is undone by hand, or has come to its end";
        writer_.check("ok(" + quoteName(schema_, "manual_compensation") + "(" + id +
                          ")\n    OR (SELECT p.ended_at IS NOT NULL FROM specql.processes AS p WHERE p.id = " + id +
                          "), " + quoteLiteral(byHand) + ")",
                      byHand);
    }

    // --- what is undone ----------------------------------------------------------------------------------------------

    // Tables of whose rows no step up to the last leaves anything, when it is undone.
    std::vector<std::string> exactTables(size_t last) const {
        std::map<std::string, bool> exact;
        for (size_t place = 0; place <= last; place++) {
            for (const resolve::ResolvedStep& step : stages_[place].then) {
                if (!step.target || step.spec->kind == spec::StepKind::validate) continue;
                const bool isUndone = std::any_of(stages_[place].otherwise.begin(), stages_[place].otherwise.end(),
                                                  [&](const auto& undo) { return isExact(writer_.world, step, undo); });
                bool& known = exact.emplace(quoteName(step.target->schema, step.target->table), true).first->second;
                known = known && isUndone;
            }
            for (const resolve::ResolvedStep& undo : stages_[place].otherwise)
                if (undo.target && !undo.ofStage) exact[quoteName(undo.target->schema, undo.target->table)] = false;
        }
        std::vector<std::string> tables;
        for (const auto& [table, isExact] : exact)
            if (isExact) tables.push_back(table);
        return tables;
    }

    static std::string digest(const std::string& name, const std::vector<std::string>& tables) {
        std::vector<std::string> parts;
        for (const std::string& table : tables)
            parts.push_back("coalesce((SELECT string_agg(t::text, '' ORDER BY t::text) FROM " + table + " AS t), '')");
        return "    PERFORM set_config('specql_test." + name + "', " + join(parts, "\n        || ") + ", true);\n";
    }

    std::string called(const std::string& function) const {
        return quoteName(schema_, function) + "(v_process, v_params, v_results)";
    }

    // If it is chosen, a part of what is done, or plainly the next.
    std::string guard(const spec::Step& step) const {
        const int chooser = step.stage->chosenBy;
        if (chooser == 0) return "";
        return "v_results -> " + quoteLiteral(stages_[static_cast<size_t>(chooser - 1)].spec->label.value) +
               " -> 'steps' ? " + quoteLiteral(step.label.value);
    }

    void undone(size_t last) {
        const std::string& step = stages_[last].spec->label.value;
        const std::string title = name_ + ": what is done up to " + step + " is undone";
        const std::vector<std::string> tables = exactTables(last);
        if (tables.empty()) return;
        writer_.begin(saga_.info->name() + ": fails behind " + step);
        if (!isReady(title)) return;
        Stage::Render literal = writer_.literals(stage_, fixture_);
        writer_.rows(stage_, literal);
        std::vector<std::string> pairs;
        for (const std::string& key : saga_.payloadOrder)
            pairs.push_back(quoteLiteral(key) + ", " + argument(key, literal));
        std::string sql =
            "DO $do$\nDECLARE\n    v_process uuid := gen_random_uuid();\n    v_params jsonb := "
            "jsonb_build_object(" +
            join(pairs, ", ") + ");\n    v_results jsonb := '{}';\n    v_result jsonb;\nBEGIN\n";
        sql += digest("before", tables);
        for (size_t place = 0; place <= last; place++) {
            const spec::Step& spec = *stages_[place].spec;
            const std::string when = guard(spec);
            std::string one = "v_result := " + called(emit::StageEmitter::functionName(saga_, spec)) + ";\n";
            // A call that is answered with nothing.
            const std::string result = resolve::givesAnswer(*spec.stage) ? "'{}'::jsonb" : "v_result";
            one += "IF v_result IS NOT NULL THEN\n    v_results := v_results || jsonb_build_object(" +
                   quoteLiteral(spec.label.value) + ", " + result + ");\nEND IF;\n";
            sql += indent(when.empty() ? one : "IF " + when + " THEN\n" + indent(one, 4) + "END IF;\n", 4);
        }
        sql += digest("done", tables);
        for (size_t place = last + 1; place-- > 0;) {
            const spec::Step& spec = *stages_[place].spec;
            if (stages_[place].otherwise.empty()) continue;
            sql += "    IF v_results ? " + quoteLiteral(spec.label.value) + " THEN\n        PERFORM " +
                   called(emit::StageEmitter::undoName(saga_, spec)) + ";\n    END IF;\n";
        }
        sql += digest("undone", tables) + "END $do$";
        writer_.fixture(sql);
        const std::string doing = name_ + ": all up to " + step + " can be done";
        writer_.check("isnt(md5(current_setting('specql_test.done')), md5(current_setting('specql_test.before')), " +
                          quoteLiteral(doing) + ")",
                      doing);
        writer_.check("is(md5(current_setting('specql_test.undone')), md5(current_setting('specql_test.before')), " +
                          quoteLiteral(title) + ")",
                      title);
    }

    Writer& writer_;
    const resolve::ResolvedAction& saga_;
    resolve::ResolvedAction action_;
    const std::vector<resolve::ResolvedStep>& stages_;
    std::string name_, schema_;
    Stage stage_;
    Fixture fixture_;
    std::string why_;
};

}  // namespace

void writeSaga(Writer& writer, const resolve::ResolvedAction& action) {
    Saga(writer, action).write();
}

}  // namespace specql::testgen
