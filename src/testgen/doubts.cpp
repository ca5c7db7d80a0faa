#include "testgen/doubts.hpp"

#include <algorithm>

#include "testgen/steps.hpp"
#include "text/quote.hpp"

namespace specql::testgen {

namespace {

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
        if (other.isFeed() || other.isAnswer() || isSwitchedOff(*other.info)) continue;
        bool meddles = false;
        visitSteps(resolver, other, [&](const resolve::ResolvedStep& one) {
            again = again || hears(tested.binding, one);
            meddles = meddles || (step && other.info != tested.info && overwrites(one, *step));
        });
        if (meddles) found.push_back(reason(other.info->name() + " writes there too", other, 0));
    }
    if (again) found.push_back(reason("what it writes sets it off again", tested, events));
    return found;
}

}  // namespace specql::testgen
