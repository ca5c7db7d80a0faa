#include "testgen/doubts.hpp"

#include <algorithm>

#include "text/quote.hpp"

namespace specql::testgen {

namespace {

bool inserts(const resolve::ResolvedStep& step) {
    spec::StepKind kind = step.spec->kind;
    return kind == spec::StepKind::insert || kind == spec::StepKind::append || kind == spec::StepKind::create;
}

bool setsOneOf(const resolve::ResolvedStep& step, const std::vector<resolve::BoundAssignment>& written) {
    return std::any_of(step.set.begin(), step.set.end(), [&](const resolve::BoundAssignment& assignment) {
        return std::any_of(written.begin(), written.end(),
                           [&](const resolve::BoundAssignment& other) { return other.column == assignment.column; });
    });
}

using Test = std::function<bool(const resolve::ResolvedStep&)>;

bool anyStep(const std::vector<resolve::ResolvedStep>& steps, const Test& test) {
    return std::any_of(steps.begin(), steps.end(), [&](const resolve::ResolvedStep& step) {
        return test(step) || anyStep(step.then, test) || anyStep(step.otherwise, test);
    });
}

bool anyStep(const resolve::ResolvedAction& action, const Test& test) {
    return std::any_of(action.branches.begin(), action.branches.end(), [&](const resolve::ResolvedBranch& branch) {
        return anyStep(branch.steps, test) || anyStep(branch.otherwise, test);
    });
}

// Whether a step may undo, overwrite or repeat what `written` does.
bool meddles(const resolve::ResolvedStep& step, const resolve::ResolvedStep& written, Meddled what) {
    spec::StepKind kind = step.spec->kind;
    if (written.spec->kind == spec::StepKind::emit)
        return kind == spec::StepKind::emit && step.spec->target.value == written.spec->target.value;
    if (!step.target || step.target != written.target) return false;
    if (what == Meddled::bystander && !step.where) return false;
    if (kind == spec::StepKind::remove) return true;
    if (kind == spec::StepKind::update) return what != Meddled::effect || setsOneOf(step, written.set);
    return what == Meddled::effect && inserts(written) && inserts(step);
}

// Whether an action hears what another one, or itself, writes.
bool hears(const resolve::ResolvedAction& action, const resolve::ResolvedAction& writer) {
    const resolve::Binding& binding = action.binding;
    return anyStep(writer, [&](const resolve::ResolvedStep& step) {
        spec::StepKind kind = step.spec->kind;
        if (binding.custom) return kind == spec::StepKind::emit && step.spec->target.value == binding.event;
        if (!step.target || step.target != binding.entity) return false;
        if (kind == spec::StepKind::remove) return (binding.ops & resolve::opDelete) != 0;
        if (inserts(step)) return (binding.ops & resolve::opInsert) != 0;
        return kind == spec::StepKind::update && (binding.ops & resolve::opUpdate) != 0 &&
               (binding.changedColumn.empty() ||
                std::any_of(step.set.begin(), step.set.end(), [&](const resolve::BoundAssignment& assignment) {
                    return assignment.column == binding.changedColumn;
                }));
    });
}

std::string eventsOf(const resolve::ResolvedAction& action) {
    return "FROM specql.events AS o WHERE o.action = " + quoteLiteral(action.info->name()) +
           "\n      AND o.xid = pg_current_xact_id() AND o.id > current_setting('specql_test.mark', true)::uuid";
}

}  // namespace

std::string markSql() {
    return "DO $do$ BEGIN PERFORM set_config('specql_test.mark', specql.uuid_v7()::text, true); END $do$";
}

std::string Meddler::excuse(const Stage& stage, const Stage::Render* fired) const {
    std::string sql =
        "SELECT " +
        quoteLiteral(again ? "what it writes sets it off again" : action->info->name() + " writes there too") +
        "\nWHERE (SELECT count(*) " + eventsOf(*action) + ") > " + (again ? "1" : "0");
    if (fired && !again)
        sql += "\n  AND EXISTS (SELECT FROM specql.events AS v WHERE " + stage.eventCondition(*fired, "v") + ")";
    return sql;
}

std::vector<Meddler> meddlers(const resolve::Resolver& resolver, const resolve::ResolvedAction& tested,
                              const resolve::ResolvedStep& step, Meddled what) {
    std::vector<Meddler> found;
    for (const resolve::ResolvedAction& other : resolver.actions) {
        if (other.isFeed() || isSwitchedOff(*other.info)) continue;
        bool same = other.info == tested.info;
        Test test = [&](const resolve::ResolvedStep& one) {
            if (same && inserts(one)) return false;
            if (meddles(one, step, what)) return true;
            // What it calls has no event of its own.
            return one.calledAction && std::any_of(resolver.actions.begin(), resolver.actions.end(),
                                                   [&](const resolve::ResolvedAction& called) {
                                                       return called.info == one.calledAction &&
                                                              anyStep(called, [&](const resolve::ResolvedStep& inner) {
                                                                  return meddles(inner, step, what);
                                                              });
                                                   });
        };
        if ((!same || hears(tested, tested)) && anyStep(other, test)) found.push_back({&other, same});
    }
    return found;
}

std::vector<Meddler> stirrers(const resolve::Resolver& resolver, const resolve::ResolvedAction& tested) {
    std::vector<Meddler> found;
    for (const resolve::ResolvedAction& other : resolver.actions)
        if (!other.isFeed() && !isSwitchedOff(*other.info) && hears(tested, other))
            found.push_back({&other, other.info == tested.info});
    return found;
}

}  // namespace specql::testgen
