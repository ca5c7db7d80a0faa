#include "testgen/doubts.hpp"

#include <algorithm>

#include "text/quote.hpp"

namespace specql::testgen {

namespace {

using Test = std::function<bool(const resolve::ResolvedStep&)>;

bool anyStep(const resolve::Resolver& resolver, const resolve::ResolvedAction& action, const Test& test);

// Whether the test holds for a step, one within it, or one of an action that it calls, which has no event of its own.
bool anyStep(const resolve::Resolver& resolver, const std::vector<resolve::ResolvedStep>& steps, const Test& test) {
    return std::any_of(steps.begin(), steps.end(), [&](const resolve::ResolvedStep& step) {
        return test(step) || anyStep(resolver, step.then, test) || anyStep(resolver, step.otherwise, test) ||
               std::any_of(
                   resolver.actions.begin(), resolver.actions.end(), [&](const resolve::ResolvedAction& called) {
                       return step.calledAction && called.info == step.calledAction && anyStep(resolver, called, test);
                   });
    });
}

bool anyStep(const resolve::Resolver& resolver, const resolve::ResolvedAction& action, const Test& test) {
    return std::any_of(action.branches.begin(), action.branches.end(), [&](const resolve::ResolvedBranch& branch) {
        return anyStep(resolver, branch.steps, test) || anyStep(resolver, branch.otherwise, test);
    });
}

// Whether a step may undo or overwrite what `written` does.
bool overwrites(const resolve::ResolvedStep& step, const resolve::ResolvedStep& written) {
    if (!step.target || step.target != written.target) return false;
    if (step.spec->kind == spec::StepKind::remove) return true;
    if (step.spec->kind != spec::StepKind::update) return false;
    return insertsRow(written) ||
           std::any_of(step.set.begin(), step.set.end(), [&](const resolve::BoundAssignment& assignment) {
               return assignmentOf(written, assignment.column);
           });
}

std::string reason(const std::string& words, const resolve::ResolvedAction& action, int most) {
    return "SELECT " + quoteLiteral(words) +
           "\nWHERE (SELECT count(*) FROM specql.events AS o WHERE o.action = " + quoteLiteral(action.info->name()) +
           "\n      AND o.xid = pg_current_xact_id() AND o.id > current_setting('specql_test.mark', true)::uuid) > " +
           std::to_string(most);
}

}  // namespace

std::string markSql() {
    return "DO $do$ BEGIN PERFORM set_config('specql_test.mark', specql.uuid_v7()::text, true); END $do$";
}

std::vector<std::string> doubts(const resolve::Resolver& resolver, const Stage& stage,
                                const resolve::ResolvedStep* step, int events) {
    const resolve::ResolvedAction& tested = stage.action;
    const TestTable* table = stage.eventTable();
    bool again = table && !table->triggers.empty();
    std::vector<std::string> found;
    for (const resolve::ResolvedAction& other : resolver.actions) {
        if (other.isFeed() || isSwitchedOff(*other.info)) continue;
        again = again ||
                anyStep(resolver, other, [&](const resolve::ResolvedStep& one) { return hears(tested.binding, one); });
        if (step && other.info != tested.info &&
            anyStep(resolver, other, [&](const resolve::ResolvedStep& one) { return overwrites(one, *step); }))
            found.push_back(reason(other.info->name() + " writes there too", other, 0));
    }
    if (again) found.push_back(reason("what it writes sets it off again", tested, events));
    return found;
}

}  // namespace specql::testgen
