#include "testgen/window_play.hpp"

#include <algorithm>

#include "text/quote.hpp"

namespace specql::testgen {

namespace {

constexpr time::Micros step = 1000;

std::string tableName(const TestTable& table) {
    return quoteName(table.schema, table.name);
}

std::string isRow(const PlannedRow& row, const std::vector<std::string>& columns, const Stage::Render& literal) {
    std::vector<std::string> conditions;
    for (const std::string& column : columns)
        conditions.push_back(quoteName(column) + " = " + literal(row.columns.at(column)));
    return " WHERE " + join(conditions, " AND ");
}

// A statement about rows of a test that is no event.
std::vector<std::string> unseen(const Stage& stage, const TestTable& table, const std::string& statement) {
    if (stage.unheard({&table}).empty()) return {statement};
    const std::string trigger = " TRIGGER specql_capture";
    return {"ALTER TABLE " + tableName(table) + " DISABLE" + trigger, statement,
            "ALTER TABLE " + tableName(table) + " ENABLE" + trigger};
}

}  // namespace

std::string perform(const std::string& call) {
    return "DO $do$ BEGIN PERFORM " + call + "; END $do$";
}

std::string spokenInterval(time::Micros length) {
    struct Unit {
        time::Micros size;
        const char* name;
    };
    std::vector<std::string> parts;
    for (const Unit& unit : {Unit{86400000000, "day"}, Unit{3600000000, "hour"}, Unit{60000000, "minute"},
                             Unit{1000000, "second"}, Unit{1, "microsecond"}}) {
        time::Micros count = length / unit.size;
        length %= unit.size;
        if (count > 0) parts.push_back(std::to_string(count) + " " + unit.name + (count == 1 ? "" : "s"));
    }
    return join(parts, " ");
}

std::vector<CaseEvent> eventsOf(const WindowEvents& events, const Kinds& kinds) {
    std::vector<CaseEvent> found;
    for (size_t kind : kinds)
        found.push_back({events.kinds[kind]});
    return found;
}

Stage::Render replaced(Stage::Render base, std::map<int, std::string> values) {
    return [base = std::move(base), values = std::move(values)](int which) {
        auto found = values.find(which);
        return found == values.end() ? base(which) : found->second;
    };
}

std::vector<std::string> rewrite(const Stage& stage, const PlannedRow& row, const std::vector<std::string>& columns,
                                 const Stage::Render& literal) {
    std::vector<std::string> set;
    for (const auto& [column, dimension] : row.columns)
        if (std::find(columns.begin(), columns.end(), column) == columns.end() && !row.table->column(column)->generated)
            set.push_back(quoteName(column) + " = " + literal(dimension));
    if (set.empty()) return {};
    return unseen(stage, *row.table,
                  "UPDATE " + tableName(*row.table) + " SET " + join(set, ", ") + isRow(row, columns, literal));
}

// --- what the rule says ----------------------------------------------------------------------------------------------

size_t Said::of(Look look) const {
    return look == Look::waiting ? waiting : look == Look::timeouts ? timeouts : matches;
}

std::vector<Said> simulate(const time::WindowRule& rule, const std::vector<Phase>& phases) {
    const time::WindowEvaluator evaluator(rule);
    std::map<int, time::WindowKey> keys;
    std::vector<time::WindowMatch> found;
    std::vector<Said> said;
    size_t raised = 0, fresh = 0, waiting = 0;
    for (const Phase& phase : phases) {
        for (const CaseEvent& event : phase.events) {
            if (event.again == CaseEvent::Again::statement) continue;
            raised++;
            if (event.again == CaseEvent::Again::no) fresh++;
            waiting += event.kind.counted.values.size();
            if (event.key == CaseEvent::nobody) continue;
            time::Micros at = phase.at + static_cast<time::Micros>(raised) * step;
            time::WindowKey& key = keys.try_emplace(event.key, evaluator.emptyKey()).first->second;
            evaluator.advance(key, eventOf(event.kind.counted, at, fresh), found);
        }
        for (auto& [number, key] : keys)
            evaluator.pass(key, phase.at + static_cast<time::Micros>(raised) * step + step / 2, found);
        Said& now = said.emplace_back();
        for (const time::WindowMatch& match : found)
            (match.timedOut ? now.timeouts : now.matches)++;
        now.waiting = waiting;
        if (!found.empty()) now.last = found.back();
    }
    return said;
}

void playCase(WindowEvents& events, const WindowCase& row, std::set<std::string>& checked) {
    const std::vector<Said> said = simulate(events.rule, row.phases);
    std::vector<bool> checks;
    std::string title;
    for (size_t i = 0; i < row.phases.size(); i++) {
        const Phase& phase = row.phases[i];
        checks.push_back(!phase.description.empty() && said[i].of(phase.look) == phase.expected &&
                         checked.insert(phase.description).second);
        if (checks[i] && title.empty()) title = events.name() + ": " + phase.description;
    }
    if (title.empty()) return;
    if (!row.why.empty()) {
        events.writer.begin(title);
        return events.writer.skip(row.phases.front().description, row.why);
    }
    WindowPlay play(events, title);
    if (row.withoutSteps) play.putAside("NULL;");
    for (size_t i = 0; i < row.phases.size(); i++) {
        const Phase& phase = row.phases[i];
        const bool later = play.moveClock(phase.at);
        play.raise(phase.events);
        if (phase.look == Look::waiting)
            play.guard();
        else if (later || !phase.events.empty())
            play.count();
        if (checks[i]) play.check(phase, said[i]);
    }
    play.end();
}

// --- statements ------------------------------------------------------------------------------------------------------

WindowPlay::WindowPlay(WindowEvents& events, const std::string& title) : events_(events), writer_(events.writer) {
    writer_.begin(title);
    const std::string action = quoteLiteral(events_.name());
    writer_.fixture(perform("specql.forget_window(" + action +
                            "),\n    set_config('specql_test.since', specql.uuid_v7()::text, true),\n    "
                            "set_config('specql_test.evaluated', w.evaluated::text, true)\n"
                            "FROM specql.windows AS w WHERE w.action = " +
                            action + " AND w.key IS NULL"));
    writer_.excuse("SELECT 'the action is paused' FROM specql.actions AS a\nWHERE a.action = " + action +
                   " AND a.paused_at IS NOT NULL");
}

void WindowPlay::raise(const std::vector<CaseEvent>& events) {
    for (const CaseEvent& event : events) {
        const EventSource& source = *event.kind.source;
        if (event.again != CaseEvent::Again::statement) {
            rendered_ = render(event);
            writeRows(source, !used_.insert(event.key).second);
        }
        writer_.fixture(source.stage->fire(rendered_));
        keyText_ = source.keyText(rendered_);
        statements_++;
    }
}

int WindowPlay::number(int key) {
    auto [known, isNew] = numbers_.try_emplace(key, 0);
    if (isNew) known->second = writer_.fresh();
    return known->second;
}

Stage::Render WindowPlay::render(const CaseEvent& event) {
    const EventSource& source = *event.kind.source;
    std::map<int, std::string> values;
    for (size_t i = 0; i < source.keys.size(); i++) {
        const EventKey& key = events_.keys[i];
        const Dimension& dimension = source.dimension(source.keys[i]);
        if (event.kind.ownKey && !key.free) continue;
        values[source.keys[i]] = event.key == CaseEvent::nobody ? typedValue("NULL", dimension.baseType)
                                                                : events_.keyLiteral(key, dimension, number(event.key));
    }
    for (size_t branch = 0; branch < source.arms.size() && event.again == CaseEvent::Again::values; branch++)
        for (int dimension : source.field(branch))
            values[dimension] = rendered_(dimension);
    return replaced(writer_.literals(*source.stage, event.kind.fixture), std::move(values));
}

// What must be there before the event. Its own row may be there already, as an earlier event of the key has left it.
void WindowPlay::writeRows(const EventSource& source, bool again) {
    const Stage& stage = *source.stage;
    const int before = stage.rowOf(Place::before());
    if (source.oneRow.empty() || (before < 0 && !again)) return writer_.fixture(stage.fixture(rendered_));
    const PlannedRow& row = stage.scenario.rows[static_cast<size_t>(before < 0 ? stage.rowOf(Place::after()) : before)];
    const std::string table = tableName(*row.table);
    if (before < 0) {
        writer_.fixture(unseen(stage, *row.table, "DELETE FROM " + table + isRow(row, source.oneRow, rendered_)));
        return writer_.fixture(stage.fixture(rendered_));
    }
    writer_.fixture(stage.fixture(rendered_));
    if (again) writer_.fixture(rewrite(stage, row, source.oneRow, rendered_));
    writer_.excuse("SELECT 'a row is not as it was written' WHERE NOT EXISTS (SELECT FROM " + table +
                   isRow(row, {source.feed->binding.entity->key, source.oneRow.front()}, rendered_) + ")");
}

bool WindowPlay::moveClock(time::Micros at) {
    if (at == at_) return false;
    at_ = at;
    writer_.fixture("SET LOCAL specql.clock_offset = " + quoteLiteral(spokenInterval(at)));
    return true;
}

void WindowPlay::putAside(const std::string& body) {
    aside_ = true;
    writer_.fixture(breakHandler(events_.action, body));
}

// A test that is given up may not have put it aside.
void WindowPlay::putBack() {
    if (!aside_) return;
    aside_ = false;
    const std::string aside = quoteName(events_.action.info->schema, "specql_test_aside");
    writer_.restore({"DO $do$ BEGIN\n    IF to_regproc(" + quoteLiteral(aside) + ") IS NOT NULL THEN\n        " +
                     join(mendHandler(events_.action), ";\n        ") + ";\n    END IF;\nEND $do$"});
}

void WindowPlay::end() {
    putBack();
    if (at_ > 0) writer_.restore({"SET LOCAL specql.clock_offset TO DEFAULT"});
}

// --- counting, and what is seen --------------------------------------------------------------------------------------

void WindowPlay::count() {
    guard();
    writer_.step(perform("specql.evaluate_own_window(" + quoteLiteral(events_.name()) + ")"));
    guardRefusals();
}

void WindowPlay::guard() {
    const std::string action = quoteLiteral(events_.name());
    writer_.excuse("SELECT 'nothing can be counted' WHERE specql.evaluate_own_window(" + action + ") < 0");
    writer_.excuse(
        "SELECT 'other rules in force, or its own steps, bring events to this window too'\n"
        "FROM specql.windows AS w WHERE w.action = " +
        action + " AND w.key IS NULL\n  AND w.evaluated > current_setting('specql_test.evaluated')::bigint + " +
        std::to_string(statements_));
}

void WindowPlay::guardRefusals() {
    writer_.add(StatementKind::guard,
                "SELECT f.message, f.context FROM specql.failures AS f WHERE " + matchCondition("f"));
}

void WindowPlay::guardRetry() {
    writer_.excuse(
        "SELECT 'a failed match cannot be tried again' FROM specql.failures AS f\n"
        "WHERE specql.retry(f.id, f.action) <> 1 AND " +
        matchCondition("f"));
    guardRefusals();
}

std::string WindowPlay::matchCondition(const std::string& alias) const {
    return alias + ".action = " + quoteLiteral(events_.name()) + " AND " + alias +
           ".type = " + quoteLiteral(events_.action.binding.event) + "\n      AND " + alias +
           ".id > current_setting('specql_test.since')::uuid";
}

void WindowPlay::check(const Phase& phase, const Said& said) {
    std::string query, wanted = std::to_string(said.of(phase.look)) + "::bigint";
    const std::string matches = "specql.events AS v\n    WHERE " + matchCondition("v");
    switch (phase.look) {
        case Look::matches:
            query = "SELECT count(*) FROM " + matches;
            if (events_.rule.onTimeout) query += " AND NOT v.data ? 'timed_out'";
            break;
        case Look::timeouts: query = "SELECT count(*) FROM " + matches + " AND v.data ? 'timed_out'"; break;
        case Look::waiting:
            query = "SELECT w.waiting FROM specql.windows AS w WHERE w.action = " + quoteLiteral(events_.name()) +
                    " AND w.key IS NULL";
            break;
        case Look::lastMatch:
            query =
                "SELECT ROW((v.data ->> 'match_count')::bigint, v.data ->> 'match_key', "
                "jsonb_array_length(v.data -> 'event_ids'))::text\n    FROM " +
                matches;
            wanted = "ROW(" + std::to_string(said.last.count) + "::bigint, " + keyText_ + ", " +
                     std::to_string(said.last.ids.size()) + ")::text";
            break;
    }
    writer_.check("is((" + query + "),\n    " + wanted + ", " + quoteLiteral(phase.description) + ")",
                  phase.description);
}

}  // namespace specql::testgen
