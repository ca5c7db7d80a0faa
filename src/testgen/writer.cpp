#include "testgen/writer.hpp"

#include <algorithm>

#include "testgen/doubts.hpp"
#include "testgen/wording.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::testgen {

// What hands events to a window is as much a part of its action as what handles the matches.
void Writer::about(const resolve::ResolvedAction& action) {
    tested_ = testedOf(action);
    for (const resolve::ResolvedAction& other : resolver.actions)
        if (other.info == action.info && other.isFeed())
            for (std::string& function : testedOf(other).functions)
                tested_.functions.push_back(std::move(function));
}

void Writer::begin(const std::string& title) {
    test_++;
    title_ = title;
}

std::string Writer::isStopped(const resolve::ResolvedAction& action) {
    const SearchAnswer* answer =
        ask("SELECT CASE WHEN a.paused_at IS NOT NULL THEN 'the action is paused' ELSE 'its trigger is disabled' END\n"
            "FROM specql.action AS a WHERE a.action = " +
            quoteLiteral(action.info->name()) +
            " AND (a.paused_at IS NOT NULL OR EXISTS (\n    SELECT FROM pg_trigger AS t\n"
            "    WHERE t.tgrelid = to_regclass(a.relation) AND t.tgenabled = 'D' AND t.tgname = " +
            quoteLiteral(action.base + "_trigger") + "))");
    return answer && !answer->cells.empty() ? answer->cells[0] : "";
}

void Writer::add(StatementKind kind, const std::string& sql, const std::string& description) {
    suite.statements.push_back({test_, title_, kind, sql, description, tested_});
}

void Writer::fixture(const std::vector<std::string>& statements) {
    // Triggers that a fixture disables are enabled again, come what may.
    for (const std::string& sql : statements)
        add(resolve::endsWith(sql, " ENABLE TRIGGER specql_capture") ? StatementKind::restore : StatementKind::fixture,
            sql, "");
}

void Writer::rows(const Stage& stage, const Stage::Render& literal) {
    fixture(stage.fixture(literal));
    for (const std::string& condition : stage.rowsThere(literal))
        add(StatementKind::excuse, "SELECT 'a row is not as it was written' WHERE NOT " + condition, "");
}

namespace {

// Statements of one script.
std::string scriptOf(const std::vector<std::string>& statements) {
    return dollarQuote("\n" + join(statements, ";\n") + "\n", "script");
}

// What the tables would hold without the action, and with what the spec says.
std::vector<std::string> keptFrom(const Stage& stage, const std::string& fire) {
    std::vector<std::string> statements = breakHandler(stage.action, "NULL;");
    statements.push_back(fire);
    for (std::string& sql : mendHandler(stage.action))
        statements.push_back(std::move(sql));
    return statements;
}

std::string difference(const Stage& stage, const Reference& reference, const std::string& script,
                       const std::string& fire) {
    std::vector<std::string> wanted = keptFrom(stage, fire);
    wanted.push_back(reference.statement());
    return "specql.test_difference(" + scriptOf({script}) + ", " + scriptOf(wanted) + ",\n    " + reference.queries() +
           ")";
}

// Places where the reference leaves something else than there is without the action.
std::string changes(const Stage& stage, const Reference& reference, const std::string& fire) {
    std::vector<std::string> without = keptFrom(stage, fire), with = without;
    with.push_back(reference.statement());
    return "specql.outcomes_differ(specql.test_outcome(" + scriptOf(without) + ", q.queries), specql.test_outcome(" +
           scriptOf(with) + ", q.queries), '{}')\nFROM (SELECT " + reference.queries() + ") AS q(queries)";
}

std::string keep(const char* setting, const std::string& value) {
    return "DO " + dollarQuote(std::string(" BEGIN PERFORM set_config('specql_test.") + setting + "', " + value +
                                   "::text, true); END ",
                               "do");
}

std::string arrayOf(const std::set<std::string>& places) {
    std::vector<std::string> quoted;
    for (const std::string& place : places)
        quoted.push_back(quoteLiteral(place));
    return "ARRAY[" + join(quoted, ", ") + "]";
}

}  // namespace

void Writer::compare(const Stage& stage, const Reference& reference, const std::string& script,
                     const std::string& fire) {
    if (reference.seesNothing()) return;
    add(StatementKind::rehearsal, keep("changes", "(SELECT " + changes(stage, reference, fire) + ")"), "");
    step(keep("difference", difference(stage, reference, script, fire)));
}

void Writer::checkStep(const Stage& stage, const Reference& reference, const resolve::ResolvedStep& step,
                       const Stage::Render& literal, const std::string& description) {
    std::string why;
    std::set<std::string> places = reference.places(step, why);
    if (places.empty()) return skip(description, why);
    add(StatementKind::excuse,
        "SELECT 'what it does changes nothing here' WHERE NOT current_setting('specql_test.changes')::jsonb ?| " +
            arrayOf(places),
        description);
    if (!stage.outside) doubtOthers(stage, step, literal, true, description);
    const std::string all = "current_setting('specql_test.difference')::jsonb";
    std::vector<std::string> parts;
    for (const std::string& place : places)
        parts.push_back(all + " -> " + quoteLiteral(place));
    check("is(" + (parts.size() == 1 ? parts.front() : "coalesce(" + join(parts, ",\n    ") + ")") + ", NULL, " +
              quoteLiteral(description) + ")",
          description);
}

void Writer::checkAll(const Stage& stage, const Reference& reference, const std::string& script,
                      const std::string& fire, const std::string& description) {
    check("is(" + difference(stage, reference, script, fire) + ",\n    '{}', " + quoteLiteral(description) + ")",
          description);
}

void Writer::mustShow(const Stage& stage, const Reference& reference, const std::string& fire,
                      const std::vector<const resolve::ResolvedStep*>& steps, const std::string& check) {
    std::set<std::string> places;
    std::string why;
    for (const resolve::ResolvedStep* step : steps)
        places.merge(reference.places(*step, why));
    add(StatementKind::excuse,
        "SELECT 'nothing that can be seen tells whether it fired' WHERE NOT (SELECT " +
            changes(stage, reference, fire) + ") ?| " + arrayOf(places),
        check);
}

void Writer::doubtOthers(const Stage& stage, const resolve::ResolvedStep& step, const Stage::Render& literal,
                         bool fired, const std::string& check) {
    const TestTable* table = stage.eventTable();
    if (table && !table->triggers.empty())
        add(StatementKind::excuse, Meddler{&stage.action, true}.excuse(stage, nullptr), check);
    for (const Meddler& other : meddlers(resolver, stage.action, step, Meddled::effect))
        add(StatementKind::excuse, other.excuse(stage, fired ? &literal : nullptr), check);
}

void Writer::doubtNumber(const Stage& stage, const Stage::Render& literal, const std::string& check) {
    const TestTable* table = stage.eventTable();
    if (table && !table->triggers.empty())
        add(StatementKind::excuse, Meddler{&stage.action, true}.excuse(stage, nullptr), check);
    for (const Meddler& other : stirrers(resolver, stage.action))
        add(StatementKind::excuse, other.excuse(stage, &literal), check);
}

void Writer::rehearse(const Stage& stage, const std::string& sql, const Stage::Render& literal) {
    size_t before = suite.statements.size();
    fire(stage, sql, literal);
    for (size_t i = before; i < suite.statements.size(); i++)
        if (suite.statements[i].kind == StatementKind::fire) suite.statements[i].kind = StatementKind::rehearsal;
}

void Writer::fire(const Stage& stage, const std::string& sql, const Stage::Render& literal) {
    const TestTable* table = stage.eventTable();
    const std::string changing = table ? table->triggerOf(stage.operation) : "";
    if (!changing.empty())
        add(StatementKind::probe,
            stage.unheard({table}) + sql + ";\nSELECT " +
                quoteLiteral("the " + changing + " of " + table->name + " changes what is written") + " WHERE NOT (" +
                stage.eventDone(literal) + ")",
            "");
    add(StatementKind::rehearsal, markSql(), "");
    add(StatementKind::fire, sql, "");
    if (stage.action.info->spec->onError.value != "abort")
        add(StatementKind::guard,
            "SELECT f.message, f.context FROM specql.failures AS f WHERE " + stage.eventCondition(literal, "f"), "");
}

const SearchAnswer* Writer::ask(const std::string& sql) {
    auto found = answers_.find(sql);
    if (found == answers_.end()) {
        suite.searches.push_back(sql);
        found = answers_.emplace(sql, nullptr).first;
    }
    return found->second;
}

namespace {

// Where nothing fits, what other actions demand is left to the trial of the rows, whose reason says more.
Scenario demanding(Scenario scenario, const std::vector<std::string>& conditions, bool ruled) {
    scenario.demands.insert(scenario.demands.end(), conditions.begin(), conditions.end());
    if (!ruled) scenario.rules.clear();
    return scenario;
}

}  // namespace

Fixture Writer::find(const Stage& stage, const std::vector<std::string>& conditions,
                     const std::vector<std::string>& asked, const Focus& focus, std::string& why, bool strictly) {
    for (bool ruled : {true, false}) {
        if (!ruled && (strictly || stage.scenario.rules.empty())) continue;
        const SearchAnswer* answer = ask(findQuery(demanding(stage.scenario, conditions, ruled), asked, focus));
        if (!answer) return {};
        if (answer->cells.empty()) {
            why = answer->error.empty() ? "no values were found that satisfy the condition and the tables' constraints"
                                        : "the search for values failed: " + commentText(answer->error);
            continue;
        }
        why.clear();
        Fixture fixture = readFixture(stage.scenario, answer->cells[0], answer->cells[1]);
        fixture.ruled = ruled;
        return fixture;
    }
    return {};
}

bool Writer::findPair(const Stage& stage, const std::string& condition, const std::string& atom,
                      const std::vector<std::string>& asked, const std::set<int>& varied, bool greater,
                      const Focus& focus, Fixture& inside, Fixture& outside, const std::vector<std::string>& demands) {
    Pair pair{condition, atom, {}, greater};
    for (int dimension : varied)
        if (!stage.scenario.at(dimension).unique) pair.varied.insert(dimension);
    if (pair.varied.empty()) return false;
    const std::set<int> before = stage.before(pair.varied);
    for (bool ruled : {true, false})
        for (bool loosely : {false, true}) {
            if ((!ruled && stage.scenario.rules.empty()) || (loosely && before.empty())) continue;
            pair.loose = loosely ? before : std::set<int>();
            const SearchAnswer* answer =
                ask(findPairQuery(demanding(stage.scenario, demands, ruled), pair, asked, focus));
            if (!answer) return false;
            if (answer->cells.empty()) continue;
            inside = readFixture(stage.scenario, answer->cells[0], answer->cells[1]);
            outside = readFixture(stage.scenario, answer->cells[2], answer->cells[3]);
            inside.ruled = outside.ruled = ruled;
            return true;
        }
    return false;
}

Stage::Render Writer::literals(const Stage& stage, const Fixture& fixture) {
    int base = fresh();
    tested_.contented = fixture.ruled ? stage.contented : std::vector<std::string>{};
    Stage::Render plain = [&stage, fixture, base](int which) {
        const Dimension& dimension = stage.scenario.dimensions[static_cast<size_t>(which)];
        return typedValue(dimension.unique ? uniqueValue(dimension.baseType, base + which)
                                           : numbered(fixture.values[static_cast<size_t>(which)], base + which),
                          dimension.baseType);
    };
    return [&stage, fixture, plain](int which) {
        const Dimension& dimension = stage.scenario.dimensions[static_cast<size_t>(which)];
        if (dimension.elements.empty() || !fixture.values[static_cast<size_t>(which)].empty()) return plain(which);
        std::vector<std::string> elements;
        for (int element : dimension.elements)
            elements.push_back(plain(element));
        return Scenario::array(dimension, elements);
    };
}

std::vector<std::string> breakHandler(const resolve::ResolvedAction& action, const std::string& body) {
    std::string name = resolve::handlerName(action), handler = quoteName(action.info->schema, name);
    return {"ALTER FUNCTION " + handler + "() RENAME TO specql_test_aside",
            "CREATE FUNCTION " + handler + "() RETURNS " + (action.binding.custom ? "void" : "trigger") +
                " LANGUAGE plpgsql AS $body$\nBEGIN\n    " + body + "\n    " +
                (action.binding.custom ? "" : "RETURN NULL;") + "\nEND $body$"};
}

std::vector<std::string> mendHandler(const resolve::ResolvedAction& action) {
    std::string name = resolve::handlerName(action);
    return {
        "DROP FUNCTION " + quoteName(action.info->schema, name) + "()",
        "ALTER FUNCTION " + quoteName(action.info->schema, "specql_test_aside") + "() RENAME TO " + quoteName(name)};
}

std::vector<unsigned> operationsOf(const resolve::ResolvedAction& action) {
    if (action.binding.custom) return {0};
    std::vector<unsigned> operations;
    for (unsigned op : {static_cast<unsigned>(resolve::opUpdate), static_cast<unsigned>(resolve::opInsert),
                        static_cast<unsigned>(resolve::opDelete)})
        if (action.binding.ops & op) operations.push_back(op);
    return operations;
}

std::vector<Arm> namedArms(const resolve::World& world, const resolve::ResolvedAction& action) {
    std::vector<Arm> arms = armsOf(world, action);
    std::string base = occurrence(action.base);
    if (arms.size() == 1) {
        arms[0].label = base;
        return arms;
    }
    for (size_t i = 0; i < arms.size(); i++) {
        Arm& arm = arms[i];
        arm.label = base + " branch " + std::to_string(i + 1);
        for (const resolve::ResolvedStep* step : arm.steps)
            for (const resolve::BoundAssignment& assignment : step->set) {
                if (assignment.column != "event_type" || !assignment.value || arm.eventLabel) continue;
                const ExpressionFacts& facts = world.facts(assignment.value.expression);
                if (!facts.isLiteral) continue;
                bool taken = std::any_of(arms.begin(), arms.begin() + static_cast<long>(i),
                                         [&](const Arm& other) { return other.label == facts.literalValue; });
                if (taken) continue;
                arm.label = facts.literalValue;
                arm.eventLabel = true;
            }
    }
    return arms;
}

// --- suites --------------------------------------------------------------------------------------------------------

namespace {

std::string suiteOf(const resolve::ResolvedAction& action) {
    const char* pattern = action.window                   ? "window_test"
                          : resolve::isBulk(*action.info) ? "batch_test"
                                                          : "event_driven_test";
    return action.info->schema + "." + pattern;
}

void collectTargets(const std::vector<resolve::ResolvedStep>& steps,
                    std::set<std::pair<std::string, std::string>>& tables) {
    for (const resolve::ResolvedStep& step : steps) {
        if (step.target) tables.emplace(step.target->schema, step.target->table);
        collectTargets(step.then, tables);
        collectTargets(step.otherwise, tables);
    }
}

}  // namespace

std::map<std::string, int> suiteNames(const resolve::Resolver& resolver) {
    std::map<std::string, std::set<std::string>> names;
    for (const resolve::ResolvedAction& action : resolver.actions)
        if (!action.isFeed()) names[suiteOf(action)].insert(action.info->name());
    std::map<std::string, int> counted;
    for (const auto& [suite, actions] : names)
        counted[suite] = static_cast<int>(actions.size());
    return counted;
}

std::vector<std::pair<std::string, std::string>> suiteTables(const resolve::World& world,
                                                             const resolve::Resolver& resolver) {
    std::set<std::pair<std::string, std::string>> tables;
    for (const resolve::EntityInfo& entity : world.entities)
        if (entity.unit) tables.emplace(entity.schema, entity.table);
    for (const resolve::ResolvedAction& action : resolver.actions) {
        if (action.binding.entity) tables.emplace(action.binding.entity->schema, action.binding.entity->table);
        for (const resolve::Context& context : action.contexts)
            tables.emplace(context.entity->schema, context.entity->table);
        for (const resolve::ResolvedBranch& branch : action.branches) {
            collectTargets(branch.steps, tables);
            collectTargets(branch.otherwise, tables);
        }
    }
    return {tables.begin(), tables.end()};
}

WrittenSuite writeSuite(const resolve::World& world, const resolve::Resolver& resolver, const TestTables& tables,
                        const std::string& suite, const std::vector<SearchAnswer>& answers,
                        std::map<std::string, WindowFindings> windows) {
    Writer writer(world, resolver, tables, answers);
    writer.suite.windows = std::move(windows);
    std::vector<const resolve::ResolvedAction*> tested;
    for (const resolve::ResolvedAction& action : resolver.actions) {
        // What feeds a window only counts.
        if (action.isFeed() || suiteOf(action) != suite) continue;
        writer.about(action);
        if (isSwitchedOff(*action.info)) {
            writer.begin(action.info->name());
            writer.skip(action.info->name(), "the action is switched off in the spec");
        } else if (action.window) {
            writeWindow(writer, action);
        } else if (resolve::isBulk(*action.info)) {
            writeBulk(writer, action);
        } else {
            writeEventDriven(writer, action);
            if (writer.isStopped(action).empty()) tested.push_back(&action);
        }
    }
    writeConsistency(writer, tested);
    writeCascade(writer, tested);
    return std::move(writer.suite);
}

}  // namespace specql::testgen
