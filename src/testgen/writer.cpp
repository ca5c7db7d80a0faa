#include "testgen/writer.hpp"

#include <algorithm>

#include "resolve/privacy.hpp"
#include "testgen/doubts.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::testgen {

// What hands events to a window is as much a part of its action as what handles the matches, and what is done with
// answers.
void Writer::about(const resolve::ResolvedAction& action) {
    tested_ = testedOf(action);
    for (const resolve::ResolvedAction& other : resolver.actions)
        if (other.info == action.info && (other.isFeed() || other.isAnswer()))
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

// --- statements ------------------------------------------------------------------------------------------------------

void Writer::add(StatementKind kind, const std::string& sql, const std::string& description) {
    suite.statements.push_back({test_, title_, kind, sql, description, tested_});
}

void Writer::fixture(const std::vector<std::string>& statements) {
    // Triggers that a fixture disables are enabled again, come what may.
    for (const std::string& sql : statements)
        add(resolve::startsWith(sql, "ALTER TABLE ") && sql.find(" ENABLE TRIGGER ") != std::string::npos
                ? StatementKind::restore
                : StatementKind::fixture,
            sql);
}

void Writer::rows(const Stage& stage, const Stage::Render& literal) {
    fixture(stage.fixture(literal));
    for (const std::string& condition : stage.rowsThere(literal))
        excuse("SELECT 'a row is not as it was written' WHERE NOT " + condition);
}

void Writer::restore(const std::vector<std::string>& statements) {
    for (const std::string& sql : statements)
        add(StatementKind::restore, sql);
}

void Writer::step(const std::vector<std::string>& statements) {
    for (const std::string& sql : statements)
        step(sql);
}

void Writer::checkCount(const std::string& query, int wanted, const std::string& description) {
    check("is((" + query + "),\n    " + std::to_string(wanted) + "::bigint, " + quoteLiteral(description) + ")",
          description);
}

void Writer::fire(const Stage& stage, const std::string& sql, const Stage::Render& literal) {
    event(stage, sql, literal, StatementKind::fixture);
}

void Writer::rehearse(const Stage& stage, const std::string& sql, const Stage::Render& literal) {
    event(stage, sql, literal, StatementKind::excuse);
}

void Writer::event(const Stage& stage, const std::string& sql, const Stage::Render& literal, StatementKind kind) {
    const TestTable* table = stage.eventTable();
    const std::string changing = table ? table->triggerOf(stage.operation) : "";
    if (!changing.empty())
        excuse("SELECT " + quoteLiteral("the " + changing + " of " + table->name + " changes what is written") +
               "\nWHERE specql.test_outcome(" + dollarQuote(stage.unheard({table}) + sql, "script") +
               ", jsonb_build_object('done',\n    " +
               dollarQuote("SELECT to_jsonb(" + stage.eventDone(literal) + ")", "sql") + ")) -> 'done' = '[false]'");
    excuse(markSql());
    add(kind, sql);
    guard(stage, literal);
}

void Writer::guard(const Stage& stage, const Stage::Render& literal) {
    // A failing handler fails the statement, or is recorded.
    if (stage.action.info->spec->onError.value != "abort")
        add(StatementKind::guard,
            "SELECT f.message, f.context FROM specql.failures AS f WHERE " + stage.eventCondition(literal, "f"));
}

// --- the reference ---------------------------------------------------------------------------------------------------

namespace {

// Statements of one script. Those that a `validate` may undo are kept together, and with which words it did.
std::string scriptOf(const Stage& stage, const std::vector<std::string>& statements) {
    std::string script = join(statements, ";\n");
    if (stage.action.info->spec->onError.value == "abort" && !script.empty())
        script = "DO " + dollarQuote(" BEGIN EXECUTE " + dollarQuote("\n" + script + "\n", "statements") +
                                         ";\nEXCEPTION WHEN SQLSTATE 'SQ206' THEN\n"
                                         "    PERFORM set_config('specql_test.refused', SQLERRM, true); END ",
                                     "refused");
    return dollarQuote("\n" + script + "\n", "script");
}

// What the tables would hold without the action, and with what the spec says.
std::vector<std::string> keptFrom(const Reference& reference, const std::string& fire) {
    if (fire.empty()) return {};
    std::vector<std::string> statements = breakHandler(reference.action(), "NULL;");
    statements.push_back(fire);
    for (std::string& sql : mendHandler(reference.action()))
        statements.push_back(std::move(sql));
    return statements;
}

std::string difference(const Stage& stage, const Reference& reference, const std::string& script,
                       const std::string& fire, const std::string& queries) {
    std::vector<std::string> wanted = keptFrom(reference, fire);
    wanted.push_back(reference.statement());
    return "specql.test_difference(" + scriptOf(stage, {script}) + ", " + scriptOf(stage, wanted) + ",\n    " +
           queries + ")";
}

// Places where the reference leaves something else than there is without the action.
std::string changes(const Stage& stage, const Reference& reference, const std::string& fire) {
    std::vector<std::string> without = keptFrom(reference, fire), with = without;
    with.push_back(reference.statement());
    return "specql.outcomes_differ(specql.test_outcome(" + scriptOf(stage, without) +
           ", q.queries), specql.test_outcome(" + scriptOf(stage, with) + ", q.queries), '{}')\nFROM (SELECT " +
           reference.queries() + ") AS q(queries)";
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
    excuse(keep("changes", "(SELECT " + changes(stage, reference, fire) + ")"));
    step(keep("difference", difference(stage, reference, script, fire, reference.queries())));
}

void Writer::checkStep(const Stage& stage, const Reference& reference, const resolve::ResolvedStep& step,
                       const std::string& description) {
    std::string why;
    std::set<std::string> places = reference.places(step, why);
    if (places.empty()) return skip(description, why);
    excuse("SELECT 'what it does changes nothing here' WHERE NOT current_setting('specql_test.changes')::jsonb ?| " +
               arrayOf(places),
           description);
    // Where there is no handler to put aside, whatever else happens does so in the same order.
    if (!stage.outside && !resolve::isFunction(*stage.action.info)) doubt(stage, &step, description);
    checkPlaces(places, description);
}

void Writer::checkPlaces(const std::set<std::string>& places, const std::string& description) {
    const std::string all = "current_setting('specql_test.difference')::jsonb";
    std::vector<std::string> parts;
    for (const std::string& place : places)
        parts.push_back(all + " -> " + quoteLiteral(place));
    check("is(" + (parts.size() == 1 ? parts.front() : "coalesce(" + join(parts, ",\n    ") + ")") + ", NULL, " +
              quoteLiteral(description) + ")",
          description);
}

void Writer::checkAll(const Stage& stage, const Reference& reference, const std::string& script,
                      const std::string& fire, const std::string& description, const std::string& queries) {
    check("is(" + difference(stage, reference, script, fire, queries.empty() ? reference.queries() : queries) +
              ",\n    '{}', " + quoteLiteral(description) + ")",
          description);
}

void Writer::mustShow(const Stage& stage, const Reference& reference, const std::string& fire,
                      const std::vector<const resolve::ResolvedStep*>& steps, const std::string& check) {
    std::set<std::string> places;
    std::string why;
    for (const resolve::ResolvedStep* step : steps)
        places.merge(reference.places(*step, why));
    excuse("SELECT 'nothing that can be seen tells whether it fired' WHERE NOT (SELECT " +
               changes(stage, reference, fire) + ") ?| " + arrayOf(places),
           check);
}

void Writer::checkRetried(const Stage& stage, const Reference& reference, const Arm& arm,
                          const std::vector<const resolve::ResolvedStep*>& steps, const std::string& event,
                          const std::string& failures) {
    std::string why;
    for (const resolve::ResolvedStep* step : steps) {
        if (reference.places(*step, why).empty()) continue;
        std::vector<std::string> script = breakHandler(stage.action, failingBody);
        script.push_back(event);
        for (std::string& sql : mendHandler(stage.action))
            script.push_back(std::move(sql));
        script.push_back("DO $do$ BEGIN PERFORM specql.retry(f.id, f.action) FROM specql.failures AS f WHERE " +
                         failures + "; END $do$");
        const std::string description = "retried: " + stepTitle(world, arm, *step);
        mustShow(stage, reference, event, {step}, description);
        return checkAll(stage, reference, join(script, ";\n"), event, description);
    }
}

void Writer::checkFailed(const resolve::ResolvedAction& action, const std::string& failures,
                         const std::string& description) {
    const std::string status = action.info->spec->maxAttempts.value == "1" ? "parked" : "failed";
    // A message that may quote a private field is withheld.
    const std::string message = quoteLiteral(failingMessage);
    const bool isTold = !resolve::mayTellPrivate(resolver, action);
    check("is((SELECT ROW(f.status, f.attempts, f.message" + (isTold ? "" : " = " + message) +
              ", specql.retry(f.id, f.action))::text\n    FROM specql.failures AS f WHERE " + failures +
              "\n    ORDER BY f.id LIMIT 1),\n    ROW('" + status + "', 1, " + (isTold ? message : "false") +
              ", 1)::text, " + quoteLiteral(description) + ")",
          description);
}

void Writer::doubt(const Stage& stage, const resolve::ResolvedStep* step, const std::string& check, int events) {
    for (const std::string& query : doubts(resolver, stage, step, events))
        excuse(query, check);
}

std::vector<std::string> breakHandler(const resolve::ResolvedAction& action, const std::string& body) {
    std::string name = resolve::handlerName(action), handler = quoteName(action.info->schema, name);
    const bool isTrigger = !action.binding.custom && !action.isAnswer();
    return {"ALTER FUNCTION " + handler + "() RENAME TO specql_test_aside",
            "CREATE FUNCTION " + handler + "() RETURNS " + (isTrigger ? "trigger" : "void") +
                " LANGUAGE plpgsql AS $body$\nBEGIN\n    " + body + "\n    " + (isTrigger ? "RETURN NULL;" : "") +
                "\nEND $body$"};
}

std::vector<std::string> mendHandler(const resolve::ResolvedAction& action) {
    std::string name = resolve::handlerName(action);
    return {
        "DROP FUNCTION " + quoteName(action.info->schema, name) + "()",
        "ALTER FUNCTION " + quoteName(action.info->schema, "specql_test_aside") + "() RENAME TO " + quoteName(name)};
}

// --- values ----------------------------------------------------------------------------------------------------------

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
        why.clear();
        if (!answer) return {};
        if (answer->cells.empty()) {
            why = answer->error.empty() ? "no values were found that satisfy the condition and the tables' constraints"
                                        : "the search for values failed: " + commentText(answer->error);
            continue;
        }
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

Sides Writer::bothSides(const Stage& stage, const Arm& arm, const std::string& condition,
                        const resolve::BoundExpression& bound, const spec::Atom& atom,
                        const std::vector<std::string>& asked, const std::vector<std::string>& telling) {
    Sides sides;
    std::string slice;
    if (!stage.printSlice(bound, atom.begin, atom.end, Scenario::reference, slice, sides.why)) return sides;
    const std::set<int> read = stage.dimensionsOf(bound, atom.begin, atom.end);
    if (read.empty()) return sides;  // a constant
    Focus focus;
    stage.focusOn(bound, {}, focus);
    for (const auto& [dimension, order] : stage.focus(arm))
        focus.emplace(dimension, order);
    for (bool greater : {true, false}) {
        Fixture inside, outside;
        auto find = [&](const std::vector<std::string>& besides) {
            return findPair(stage, condition, slice, asked, read, greater, focus, inside, outside, besides);
        };
        if ((!telling.empty() && find(telling)) || find({})) sides.pairs.emplace_back(inside, outside);
    }
    if (sides.pairs.empty()) sides.why = "no values were found on both sides";
    return sides;
}

std::string valuesOf(const Writer& writer, const Stage& stage, const resolve::BoundExpression& bound,
                     const spec::Atom& atom, const Fixture& fixture) {
    std::vector<std::string> shown;
    for (const NameUse& use : writer.world.facts(bound.expression).names) {
        if (use.offset < atom.begin || use.offset >= atom.end) continue;
        std::vector<std::string> values;
        for (int dimension : stage.dimensionsOf(bound, use.offset, use.offset + use.length)) {
            const std::string& value = fixture.values[static_cast<size_t>(dimension)];
            bool own = stage.scenario.dimensions[static_cast<size_t>(dimension)].unique ||
                       value.find(numberMark) != std::string::npos;
            values.push_back(own ? "its own" : value.empty() ? "two elements" : value);
        }
        std::string text = join(use.parts, ".") + (values.size() > 1 ? " from " : " = ") + join(values, " and ");
        if (std::find(shown.begin(), shown.end(), text) == shown.end()) shown.push_back(text);
    }
    return join(shown, ", ");
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

}  // namespace specql::testgen
