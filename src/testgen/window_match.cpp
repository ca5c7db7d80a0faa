#include "testgen/window_match.hpp"

#include <algorithm>

#include "text/quote.hpp"

namespace specql::testgen {

namespace {

resolve::ResolvedAction only(const resolve::ResolvedAction& action, bool onTimeout) {
    resolve::ResolvedAction part = action;
    part.branches.erase(
        std::remove_if(part.branches.begin(), part.branches.end(),
                       [&](const resolve::ResolvedBranch& branch) { return branch.onTimeout != onTimeout; }),
        part.branches.end());
    return part;
}

}  // namespace

MatchSteps::MatchSteps(WindowEvents& events, bool onTimeout, Kinds kinds, time::Micros wait)
    : events_(events),
      writer_(events.writer),
      kinds_(std::move(kinds)),
      wait_(wait),
      action_(only(events.action, onTimeout)),
      stage_(writer_.world, writer_.resolver, writer_.tables, action_, 0) {
    if (kinds_.empty() || action_.branches.empty()) return;
    for (const EventKey& key : events.keys) {
        keys_.push_back(stage_.dimension({Place::payload(), key.name}));
        if (keys_.back() < 0) continue;
        Dimension& known = stage_.scenario.dimensions[static_cast<size_t>(keys_.back())];
        known.unique = !known.essential && !uniqueValue(known.baseType, 1).empty();
    }
    // The events may have written it.
    for (PlannedRow& row : stage_.scenario.rows)
        row.referred = row.referred || !keyColumns(row, keys_).empty();
    for (Arm& arm : namedArms(writer_.world, action_)) {
        if (onTimeout) arm.label += " on timeout";
        search(ways_.emplace_back(Way{std::move(arm), {}, stage_.unfit}));
    }
}

void MatchSteps::search(Way& way) {
    if (!way.why.empty()) return;
    nameMatch(nullptr);
    std::string condition, problem;
    if (!stage_.condition(way.arm, Scenario::reference, condition, problem)) {
        way.why = "its condition is not decided before the match: " + problem;
        return;
    }
    const Focus focus = stage_.focus(way.arm);
    std::vector<std::string> strict = stage_.wheres(way.arm);
    strict.insert(strict.begin(), condition);
    for (const std::vector<std::string>& conditions : {strict, {condition}})
        if (!way.fixture) way.fixture = writer_.find(stage_, conditions, {}, focus, problem);
    if (!way.fixture && !problem.empty())
        way.why = problem + ", for a match of " + std::to_string(kinds_.size()) + " events";
}

// What names of the match mean. Before there is one, only its count is known.
void MatchSteps::nameMatch(const WindowPlay* play) {
    auto last = [play](const std::string& column) {
        return "(SELECT " + column + " FROM specql.events AS v WHERE " + play->matchCondition("v") +
               " ORDER BY v.id DESC LIMIT 1)";
    };
    auto match = [this, play, last](const resolve::Value& value) -> std::string {
        if (value.kind != resolve::ValueKind::match) return "";
        if (value.name == "match_count") return std::to_string(kinds_.size()) + "::bigint";
        if (play == nullptr) return "";
        if (value.name == "match_key") return play->keyText();
        const std::string name = quoteLiteral(value.name);
        if (value.type == "uuid[]")
            return last("ARRAY(SELECT j.value FROM jsonb_array_elements_text(v.data -> " + name + ") AS j)::uuid[]");
        return last("(v.data ->> " + name + ")::" + value.type);
    };
    auto event = [play](const std::string& alias) {
        return play ? play->matchCondition(alias) : alias + ".id IS NULL";
    };
    stage_.outside = Outside{match, event, play ? last("v.data") : "NULL::jsonb"};
}

Stage::Render MatchSteps::render(const Fixture& fixture, int number) const {
    std::map<int, std::string> values;
    for (size_t k = 0; k < keys_.size(); k++)
        if (keys_[k] >= 0)
            values[keys_[k]] =
                events_.keyLiteral(events_.keys[k], stage_.scenario.dimensions[static_cast<size_t>(keys_[k])], number);
    return replaced(writer_.literals(stage_, fixture), std::move(values));
}

// The events, and then the rows that the steps read and write, whatever the events have made of them.
void MatchSteps::arrange(const Way& way, WindowPlay& play) {
    play.raise(eventsOf(events_, kinds_));
    play.moveClock(wait_);
    nameMatch(&play);
    literal_ = render(way.fixture, play.number(0));
    writer_.fixture(stage_.fixture(literal_));
    for (const PlannedRow& row : stage_.scenario.rows)
        if (std::vector<std::string> columns = keyColumns(row, keys_); !columns.empty())
            writer_.fixture(rewrite(stage_, row, columns, literal_));
    for (const std::string& condition : stage_.rowsThere(literal_))
        writer_.excuse("SELECT 'a row is not as it was written' WHERE NOT " + condition);
    reference_.emplace(writer_.world, writer_.resolver, stage_, literal_);
}

std::string MatchSteps::evaluate() const {
    return perform("specql.evaluate_own_window(" + quoteLiteral(events_.name()) + ")");
}

void MatchSteps::write() {
    for (const Way& way : ways_) {
        std::string title = events_.name() + ": steps of " + way.arm.label;
        if (!way.fixture) {
            writer_.begin(title);
            writer_.skip(way.arm.label + " runs its steps", way.why);
            continue;
        }
        WindowPlay play(events_, title);
        arrange(way, play);
        const std::vector<Bystander> alone =
            bystanders(writer_, stage_, way.arm, literal_, render(way.fixture, writer_.fresh()));
        for (const Bystander& row : alone)
            reference_->watch(row.place, row.query);
        writer_.compare(stage_, *reference_, evaluate(), evaluate());
        play.count();
        std::set<std::string> said;
        for (const resolve::ResolvedStep* step : way.arm.steps) {
            std::string description = stepTitle(writer_.world, way.arm, *step);
            if (step->spec->kind != spec::StepKind::validate && said.insert(description).second)
                writer_.checkStep(stage_, *reference_, *step, description);
        }
        for (const Bystander& row : alone)
            writer_.checkPlaces({row.place}, row.title);
        play.end();
    }
}

void MatchSteps::writeFailure(const std::string& label) {
    const std::string description = "failed matches of " + action_.info->spec->name.value + " are logged and retried";
    auto way = std::find_if(ways_.begin(), ways_.end(), [](const Way& one) { return bool(one.fixture); });
    if (way == ways_.end()) {
        writer_.begin(events_.name() + ": its steps fail");
        return writer_.skip(description, "no match was found that runs its steps");
    }
    WindowPlay play(events_, events_.name() + ": its steps fail");
    arrange(*way, play);
    writer_.checkRetried(stage_, *reference_, way->arm, way->arm.steps, evaluate(), play.matchCondition("f"));
    play.putAside(failingBody);
    play.count();
    if (kinds_.size() > 1 && events_.rule.afterMatch != time::AfterMatch::every) {
        Phase again{eventsOf(events_, {kinds_.front()}), wait_, label + " counts on after a match that failed"};
        play.raise(again.events);
        play.count();
        play.check(again, simulate(events_.rule, {{eventsOf(events_, kinds_)}, {{}, wait_}, again}).back());
    }
    play.putBack();
    play.guardRetry();
    writer_.checkFailed(action_, play.matchCondition("f"), description);
    play.end();
}

}  // namespace specql::testgen
