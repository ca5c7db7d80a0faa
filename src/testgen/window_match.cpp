#include "testgen/window_match.hpp"

#include <algorithm>

#include "testgen/wording.hpp"
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

MatchSteps::MatchSteps(WindowEvents& events, bool onTimeout)
    : events_(events),
      writer_(events.writer),
      action_(only(events.action, onTimeout)),
      stage_(writer_.world, writer_.resolver, writer_.tables, action_, 0),
      arms_(action_.branches.empty() ? std::vector<Arm>() : namedArms(writer_.world, action_)) {
    for (Arm& arm : arms_)
        if (onTimeout) arm.label += " on timeout";
    for (size_t k = 0; k < events.keyNames.size(); k++) {
        int dimension = stage_.dimension({Place::payload(), events.keyNames[k]});
        if (dimension < 0) continue;
        Dimension& known = stage_.scenario.dimensions[static_cast<size_t>(dimension)];
        known.unique = !known.essential && !uniqueValue(known.baseType, 1).empty();
    }
}

std::string MatchSteps::ofMatch(const std::string& column, const WindowPlay& play) const {
    return "(SELECT " + column + " FROM specql.events AS v WHERE " + play.matchCondition("v") +
           " ORDER BY v.id DESC LIMIT 1)";
}

// What names of the match mean: before it there is only its count.
void MatchSteps::speak(const WindowPlay* play, size_t count) {
    auto match = [this, play, count](const resolve::Value& value) -> std::string {
        if (value.kind != resolve::ValueKind::match) return "";
        if (value.name == "match_count") return std::to_string(count) + "::bigint";
        if (play == nullptr) return "";
        if (value.name == "match_key") return play->keyText();
        if (value.type == "uuid[]")
            return ofMatch("ARRAY(SELECT j.value FROM jsonb_array_elements_text(v.data -> " + quoteLiteral(value.name) +
                               ") AS j)::uuid[]",
                           *play);
        return ofMatch("(v.data ->> " + quoteLiteral(value.name) + ")::" + value.type, *play);
    };
    auto event = [play](const std::string& alias) {
        return play ? play->matchCondition(alias) : alias + ".id IS NULL";
    };
    stage_.outside = Outside{match, event, play ? ofMatch("v.data", *play) : "NULL::jsonb"};
}

Fixture MatchSteps::search(size_t which, size_t count, std::string& why) {
    if (!stage_.unfit.empty()) return why = stage_.unfit, Fixture();

    speak(nullptr, count);
    const Arm& arm = arms_[which];
    std::string sql;
    if (!stage_.condition(arm, Scenario::reference, sql, why)) {
        why = "its condition is not decided before the match: " + why;
        return {};
    }
    std::vector<std::string> strict = {sql};
    for (const resolve::ResolvedStep* step : arm.steps) {
        std::string where, ignored;
        Place own = stage_.ownOf(*step);
        if (step->where && own && stage_.print(step->where, Scenario::reference, own, where, ignored))
            strict.push_back(where);
    }
    Focus focus = stage_.focus(arm);
    Fixture best = writer_.find(stage_, strict, {}, focus, why);
    if (!best && !why.empty() && strict.size() > 1) {
        why.clear();
        best = writer_.find(stage_, {sql}, {}, focus, why);
    }
    if (!best && !why.empty()) why += ", for a match of " + std::to_string(count) + " events";
    return best;
}

// A row that the events themselves are about is not written twice.
void MatchSteps::findPresent(const std::vector<size_t>& kinds) {
    stage_.present.clear();
    ofEvent_.clear();
    open_.clear();

    for (size_t number : kinds) {
        size_t which = events_.kinds[number].source;
        const EventSource& source = events_.sources[which];
        if (source.feed->binding.custom || !source.sameRow || source.operation == resolve::opDelete) continue;

        const resolve::EntityInfo& entity = *source.feed->binding.entity;
        for (size_t i = 0; i < stage_.scenario.rows.size(); i++) {
            const PlannedRow& row = stage_.scenario.rows[i];
            if (row.table->schema != entity.schema || row.table->name != entity.table) continue;
            bool same = false;
            for (size_t k = 0; k < events_.keyNames.size(); k++) {
                int named = stage_.dimension({Place::payload(), events_.keyNames[k]});
                auto column = row.columns.find(entity.key);
                bool ownKey = source.stage->dimension({Place::row(), entity.key}) == *source.keys[k].begin();
                same = same || (ownKey && column != row.columns.end() && named >= 0 && column->second == named);
            }
            if (!same) continue;
            if (!stage_.present.insert(static_cast<int>(i)).second) continue;

            keys_[static_cast<int>(i)] = entity.key;

            const PlannedRow& own =
                source.stage->scenario.rows[static_cast<size_t>(source.stage->rowOf(Place::after()))];
            for (const auto& [column, dimension] : row.columns) {
                auto said = own.columns.find(column);
                if (column == entity.key) continue;
                if (said != own.columns.end())
                    ofEvent_[dimension] = {which, said->second};
                else
                    open_[static_cast<int>(i)].push_back(column);
            }
        }
    }
}

std::string MatchSteps::undecided(size_t arm, const std::vector<size_t>& kinds) {
    findPresent(kinds);
    for (const Arm::Part& part : arms_[arm].parts)
        for (int dimension : stage_.dimensionsOf(*part.condition, 0, static_cast<size_t>(-1)))
            if (ofEvent_.count(dimension)) return "its condition reads what the events write";
    return "";
}

// Columns of the events' rows of which the events say nothing.
void MatchSteps::completePresent(const Stage::Render& literal) {
    for (const auto& [which, columns] : open_) {
        const PlannedRow& row = stage_.scenario.rows[static_cast<size_t>(which)];
        std::string table = quoteName(row.table->schema, row.table->name);
        std::vector<std::string> set;
        for (const std::string& column : columns)
            set.push_back(quoteName(column) + " = " + literal(row.columns.at(column)));

        const std::string& key = keys_.at(which);
        writer_.fixture(unseen(table, "UPDATE " + table + " SET " + join(set, ", ") + " WHERE " + quoteName(key) +
                                          " = " + literal(row.columns.at(key))));
    }
}

Stage::Render MatchSteps::render(const Fixture& fixture, int key) const {
    Stage::Render base = writer_.literals(stage_, fixture);
    std::map<int, std::string> fixed;
    for (size_t k = 0; k < events_.keyNames.size(); k++) {
        int dimension = stage_.dimension({Place::payload(), events_.keyNames[k]});
        if (dimension >= 0)
            fixed[dimension] = events_.keyLiteral(stage_.scenario.dimensions[static_cast<size_t>(dimension)], k, key);
    }
    return [base, fixed](int which) {
        auto found = fixed.find(which);
        return found == fixed.end() ? base(which) : found->second;
    };
}

void MatchSteps::fixture(const Fixture& fixture, int key, const std::vector<size_t>& kinds) {
    key_ = key;
    others_ = render(fixture, writer_.fresh());
    stage_.present.clear();
    writer_.fixture(stage_.fixture(others_));
    findPresent(kinds);

    literal_ = render(fixture, key);
    writer_.fixture(stage_.fixture(literal_));
}

std::string MatchSteps::evaluate() const {
    return "DO $do$ BEGIN PERFORM specql.evaluate_own_window(" + quoteLiteral(action_.info->name()) + "); END $do$";
}

void MatchSteps::before(size_t which, const WindowPlay& play, size_t count) {
    which_ = which;
    speak(&play, count);
    Stage::Render plain = literal_;
    full_ = [this, plain, &play](int dimension) -> std::string {
        auto found = ofEvent_.find(dimension);
        if (found == ofEvent_.end()) return plain(dimension);
        const Stage::Render* row = play.row(found->second.first, key_);
        return row == nullptr ? Reference::unknown : (*row)(found->second.second);
    };
    completePresent(full_);
    reference_.emplace(writer_.world, writer_.resolver, stage_, full_);
}

void MatchSteps::compare() {
    writer_.compare(stage_, *reference_, evaluate(), evaluate());
    kept_.clear();
    for (const resolve::ResolvedStep* step : arms_[which_].steps) {
        Place own = stage_.ownOf(*step);
        int row = own ? stage_.rowOf(own) : -1;
        if (row < 0 || !stage_.meansOne(*step, own)) continue;
        const auto& columns = stage_.scenario.rows[static_cast<size_t>(row)].columns;
        auto key = columns.find(step->target->key);
        if (key == columns.end() || others_(key->second) == literal_(key->second)) continue;
        std::string whole = "(SELECT (t.*)::text FROM " + quoteName(step->target->schema, step->target->table) +
                            " AS t WHERE t." + quoteName(key->first) + " = " + others_(key->second) + ")";
        std::string setting = "'specql_test.row_" + std::to_string(writer_.next()) + "'";
        if (!kept_.emplace(step->target->table, std::make_pair(whole, setting)).second) continue;
        writer_.step("DO $do$ BEGIN PERFORM set_config(" + setting + ", " + whole + ", true); END $do$");
    }
}

void MatchSteps::check() {
    const Arm& arm = arms_[which_];
    std::set<std::string> said;
    for (const resolve::ResolvedStep* step : arm.steps) {
        std::string description = stepPhrase(writer_.world, arm, *step);
        if (step->spec->kind != spec::StepKind::validate && said.insert(description).second)
            writer_.checkStep(stage_, *reference_, *step, full_, description);
    }
    for (const auto& [table, kept] : kept_) {
        std::string description = arm.label + " leaves other rows of " + table + " alone";
        writer_.check(
            "is(" + kept.first + ",\n    current_setting(" + kept.second + "), " + quoteLiteral(description) + ")",
            description);
    }
}

void MatchSteps::checkRetried(const std::string& message) {
    const Arm& arm = arms_[which_];
    std::string why;
    for (const resolve::ResolvedStep* step : arm.steps) {
        if (reference_->places(*step, why).empty()) continue;
        std::string description = "retried: " + stepPhrase(writer_.world, arm, *step);
        std::vector<std::string> script = breakHandler(action_, "RAISE EXCEPTION '" + message + "';");
        script.push_back(evaluate());
        for (std::string& sql : mendHandler(action_))
            script.push_back(std::move(sql));
        script.push_back("DO $do$ BEGIN PERFORM specql.retry(f.id, f.action) FROM specql.failures AS f WHERE " +
                         stage_.outside->event("f") + "; END $do$");
        writer_.mustShow(stage_, *reference_, evaluate(), {step}, description);
        return writer_.checkAll(stage_, *reference_, join(script, ";\n"), evaluate(), description);
    }
}

}  // namespace specql::testgen
