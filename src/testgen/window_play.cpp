#include "testgen/window_play.hpp"

#include <algorithm>

#include "text/quote.hpp"

namespace specql::testgen {

namespace {

constexpr time::Micros step = 1000;

std::string perform(const std::string& call) {
    return "DO $do$ BEGIN PERFORM " + call + "; END $do$";
}

}  // namespace

std::vector<std::string> unseen(const std::string& table, const std::string& statement) {
    return {"ALTER TABLE " + table + " DISABLE TRIGGER specql_capture", statement,
            "ALTER TABLE " + table + " ENABLE TRIGGER specql_capture"};
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

WindowPlay::WindowPlay(WindowEvents& events, const std::string& title)
    : events_(events), writer_(events.writer), action_(events.action), batch_(events.rule) {
    writer_.begin(title);
    const std::string action = quoteLiteral(action_.info->name());
    writer_.fixture(perform("specql.forget_window(" + action +
                            "),\n    set_config('specql_test.since', specql.uuid_v7()::text, true),\n    "
                            "set_config('specql_test.evaluated', w.evaluated::text, true)\n"
                            "FROM specql.windows AS w WHERE w.action = " +
                            action + " AND w.key IS NULL"));
    writer_.add(StatementKind::excuse,
                "SELECT \'the action is paused' FROM specql.actions AS a\nWHERE a.action = " + action +
                    " AND a.paused_at IS NOT NULL",
                "");
}

std::string WindowPlay::matchCondition(const std::string& alias) const {
    return alias + ".action = " + quoteLiteral(action_.info->name()) + " AND " + alias +
           ".type = " + quoteLiteral(action_.binding.event) + "\n      AND " + alias +
           ".id > current_setting('specql_test.since')::uuid";
}

void WindowPlay::checkMatches(const std::string& description) {
    writer_.check("is((SELECT count(*) FROM specql.events AS v\n    WHERE " + matchCondition("v") +
                      (events_.rule.onTimeout ? " AND NOT v.data ? 'timed_out'" : "") + "),\n    " +
                      std::to_string(matches()) + "::bigint, " + quoteLiteral(description) + ")",
                  description);
}

size_t WindowPlay::timeouts() const {
    return static_cast<size_t>(std::count_if(found_.begin(), found_.end(),
                                             [](const time::WindowFound& found) { return found.match.timedOut; }));
}

// --- events ----------------------------------------------------------------------------------------------------------

// Rows that an update or delete is about are there before.
bool WindowPlay::writesRow(const EventSource& source) const {
    return source.operation == resolve::opUpdate || source.operation == resolve::opDelete;
}

Stage::Render WindowPlay::render(const EventKind& kind, int key, bool again, bool ownKeys) {
    const EventSource& source = events_.sources[kind.source];
    Stage::Render base = writer_.literals(*source.stage, kind.fixture);
    std::map<int, std::string> fixed;
    for (size_t i = 0; i < source.keys.size(); i++) {
        if (source.keys[i].size() != 1 || (ownKeys && !events_.freeKeys(i))) continue;

        int which = *source.keys[i].begin();
        const Dimension& dimension = source.stage->scenario.dimensions[static_cast<size_t>(which)];
        fixed[which] = key == nobody ? typedValue("NULL", dimension.baseType) : events_.keyLiteral(dimension, i, key);
    }
    auto row = rows_.find({kind.source, key});
    Stage::Render before = source.sameRow && row != rows_.end() ? row->second : again ? rendered_ : nullptr;
    std::set<int> same;
    if (source.sameRow && before)
        for (size_t i = 0; i < source.stage->scenario.dimensions.size(); i++)
            if (source.stage->scenario.dimensions[i].unique) same.insert(static_cast<int>(i));
    for (size_t branch = 0; branch < source.arms.size(); branch++)
        for (int dimension : source.field(branch)) {
            if (again && rendered_) same.insert(dimension);
            // A row that comes again has new values all the same.
            if (!again) same.erase(dimension);
        }
    return [base, fixed, before, same](int which) {
        auto found = fixed.find(which);
        if (found != fixed.end()) return found->second;
        return before && same.count(which) ? before(which) : base(which);
    };
}

void WindowPlay::prepare(const std::vector<size_t>& kinds, int key) {
    std::set<std::string> inserted;
    for (size_t number : kinds) {
        const EventKind& kind = events_.kinds[number];
        const EventSource& source = events_.sources[kind.source];
        if (source.ownKey && source.operation == resolve::opInsert) inserted.insert(tableOf(source));
        bool there = source.ownKey ? inserted.count(tableOf(source)) || own_.count({tableOf(source), key})
                                   : source.sameRow && rows_.count({kind.source, key});
        if (!writesRow(source) || there) continue;
        Stage::Render literal = render(kind, key, false);
        writer_.fixture(source.stage->fixture(literal));
        if (source.ownKey) own_[{tableOf(source), key}] = {true, kind.source};
        if (source.sameRow)
            rows_[{kind.source, key}] = literal;
        else
            prepared_[number].push_back(literal);
    }
}

std::string WindowPlay::tableOf(const EventSource& source) {
    const resolve::EntityInfo& entity = *source.feed->binding.entity;
    return quoteName(entity.schema, entity.table);
}

// The row as it must be before its next event, whatever events it has had.
void WindowPlay::putBack(const EventSource& source, const Stage::Render& literal) {
    const resolve::EntityInfo& entity = *source.feed->binding.entity;
    std::string table = tableOf(source);
    std::string where =
        " WHERE " + quoteName(entity.key) + " = " + literal(source.stage->dimension({Place::row(), entity.key}));
    Stage& stage = *source.stage;
    if (source.operation == resolve::opInsert) {
        writer_.fixture(unseen(table, "DELETE FROM " + table + where));
        return writer_.fixture(stage.fixture(literal));
    }
    // The rows that it refers to, but not itself.
    stage.present = {stage.rowOf(Place::before())};
    writer_.fixture(stage.fixture(literal));
    stage.present.clear();
    const PlannedRow& row = stage.scenario.rows[static_cast<size_t>(stage.rowOf(Place::before()))];
    std::vector<std::string> set;
    for (const auto& [column, dimension] : row.columns) {
        const TestColumn* known = row.table->column(column);
        if (column == entity.key || !known || known->generated || known->identity) continue;
        set.push_back(quoteName(column) + " = " + literal(dimension));
    }
    if (!set.empty()) writer_.fixture(unseen(table, "UPDATE " + table + " SET " + join(set, ", ") + where));
}

void WindowPlay::simulate(const EventKind& kind, int key, bool again) {
    if (!again) fresh_++;
    raised_++;
    time::WindowEvent event = eventOf(kind.counted, 0, fresh_);
    std::vector<time::WindowInput> inputs;
    std::string digits = std::to_string(raised_);
    for (const time::WindowValue& value : event.values) {
        time::WindowInput input;
        input.term = value.term;
        input.hasKey = key != nobody;
        input.key = events_.keyNames.empty() ? "" : std::to_string(key);
        input.at = offset_ + static_cast<time::Micros>(raised_) * step;
        input.id = std::string(12 - digits.size(), '0') + digits;
        input.hasValue = value.present;
        input.value = value.text;
        inputs.push_back(std::move(input));
    }
    batch_.run(inputs);
    take();
}

void WindowPlay::take() {
    for (time::WindowFound& found : batch_.found)
        found_.push_back(std::move(found));
    batch_.found.clear();
}

Stage::Render WindowPlay::raise(const EventKind& kind, int key) {
    const EventSource& source = events_.sources[kind.source];
    Stage::Render literal = render(kind, key, false, true);
    writer_.fixture(source.stage->fixture(literal));
    fire(source, literal);
    return literal;
}

void WindowPlay::raiseOther(const EventKind& kind) {
    raise(kind, key());
    simulate(kind, key(), false);
}

void WindowPlay::raise(size_t number, int key) {
    const EventKind& kind = events_.kinds[number];
    const EventSource& source = events_.sources[kind.source];
    std::vector<Stage::Render>& waiting = prepared_[number];
    std::pair<size_t, int> place = {kind.source, key};
    Stage::Render literal;
    if (!source.sameRow && !waiting.empty()) {
        literal = waiting.front();
        waiting.erase(waiting.begin());
    } else if (isReady(source, place)) {
        literal = rows_.at(place);
    } else {
        literal = render(kind, key, false);
        if (isThere(source, place))
            putBack(source, literal);
        else
            writer_.fixture(source.stage->fixture(literal));
    }
    if (source.ownKey) own_[{tableOf(source), key}] = {source.operation != resolve::opDelete, kind.source};
    if (source.sameRow) {
        rows_[place] = literal;
        used_.insert(place);
    }
    fire(source, literal);
    noteKey(source, literal);
    simulate(kind, key, false);
}

// The row is there, and has not had an event since it was written for this source.
bool WindowPlay::isReady(const EventSource& source, const std::pair<size_t, int>& place) const {
    if (!source.sameRow || !writesRow(source) || !rows_.count(place) || used_.count(place)) return false;
    if (!source.ownKey) return true;
    auto own = own_.find({tableOf(source), place.second});
    return own != own_.end() && own->second.first && own->second.second == place.first;
}

bool WindowPlay::isThere(const EventSource& source, const std::pair<size_t, int>& place) const {
    if (!source.sameRow) return false;
    if (!source.ownKey) return rows_.count(place) > 0 && source.operation != resolve::opDelete;
    auto own = own_.find({tableOf(source), place.second});
    return own != own_.end() && own->second.first;
}

void WindowPlay::repeat(size_t number, int key) {
    const EventKind& kind = events_.kinds[number];
    const EventSource& source = events_.sources[kind.source];
    Stage::Render literal = render(kind, key, true);
    if (source.sameRow)
        putBack(source, literal);
    else
        writer_.fixture(source.stage->fixture(literal));
    fire(source, literal);
    simulate(kind, key, true);
}

void WindowPlay::fire(const EventSource& source, const Stage::Render& literal) {
    writer_.add(StatementKind::fire, source.stage->fire(literal), "");
    rendered_ = literal;
    statements_++;
}

void WindowPlay::noteKey(const EventSource& source, const Stage::Render& literal) {
    std::vector<std::string> texts = source.keyTexts(literal);
    keyText_ = texts.empty()       ? "NULL::text"
               : texts.size() == 1 ? texts.front()
                                   : "jsonb_build_array(" + join(texts, ", ") + ")::text";
}

// --- time ------------------------------------------------------------------------------------------------------------

void WindowPlay::moveClock(time::Micros offset) {
    moved_ = true;
    offset_ = offset;
    writer_.fixture("SET LOCAL specql.clock_offset = " + quoteLiteral(spokenInterval(offset)));
}

void WindowPlay::end() {
    if (moved_) writer_.restore({"SET LOCAL specql.clock_offset TO DEFAULT"});
}

void WindowPlay::guard() {
    const std::string action = quoteLiteral(action_.info->name());
    writer_.add(StatementKind::excuse,
                "SELECT 'nothing can be counted' WHERE specql.evaluate_own_window(" + action + ") < 0", "");
    writer_.add(StatementKind::excuse,
                "SELECT \'other rules in force, or its own steps, bring events to this window too'\n"
                "FROM specql.windows AS w WHERE w.action = " +
                    action +
                    " AND w.key IS NULL\n  AND w.evaluated > current_setting('specql_test.evaluated')::bigint + " +
                    std::to_string(statements_),
                "");
}

void WindowPlay::count() {
    time::Micros now = offset_ + static_cast<time::Micros>(raised_) * step + step / 2;
    batch_.passAll(now);
    take();
    guard();
    writer_.step(perform("specql.evaluate_own_window(" + quoteLiteral(action_.info->name()) + ")"));
    guardRefusals();
}

void WindowPlay::guardRefusals() {
    writer_.add(StatementKind::guard,
                "SELECT f.message, f.context FROM specql.failures AS f WHERE " + matchCondition("f"), "");
}

void WindowPlay::guardRetry() {
    writer_.add(StatementKind::excuse,
                "SELECT \'a failed match cannot be tried again' FROM specql.failures AS f\n"
                "WHERE specql.retry(f.id, f.action) <> 1 AND " +
                    matchCondition("f"),
                "");
    guardRefusals();
}

}  // namespace specql::testgen
