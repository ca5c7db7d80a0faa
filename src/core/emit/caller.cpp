// Which actions ask who did it.
#include <algorithm>

#include "emit/emit.hpp"

namespace specql {

namespace {

void collectCalled(const std::vector<ResolvedStep>& steps, std::set<const ActionInfo*>& called) {
    for (const ResolvedStep& step : steps) {
        if (step.calledAction) called.insert(step.calledAction);
        collectCalled(step.then, called);
        collectCalled(step.otherwise, called);
    }
}

bool asksForCaller(const World& world, const BoundExpression& bound) {
    static const std::vector<std::string> function = {"specql", "caller"};
    const std::vector<CallUse>& calls = world.facts(bound.expression).calls;
    return std::any_of(bound.values.begin(), bound.values.end(),
                       [](const Value& value) { return value.kind == ValueKind::caller; }) ||
           std::any_of(calls.begin(), calls.end(), [](const CallUse& call) { return call.name == function; });
}

bool usesCaller(const World& world, const Resolver& resolver, const ResolvedAction& action,
                std::set<const ActionInfo*> seen) {
    bool uses = false;
    ResolvedAction copy = action;
    visitExpressions(copy, [&](const BoundExpression& bound) { uses = uses || asksForCaller(world, bound); });
    std::set<const ActionInfo*> called;
    for (const ResolvedBranch& branch : action.branches) {
        collectCalled(branch.steps, called);
        collectCalled(branch.otherwise, called);
    }
    seen.insert(action.info);
    return uses || std::any_of(resolver.actions.begin(), resolver.actions.end(), [&](const ResolvedAction& other) {
               return called.count(other.info) && !seen.count(other.info) && usesCaller(world, resolver, other, seen);
           });
}

}  // namespace

bool usesCaller(const World& world, const Resolver& resolver, const ResolvedAction& action) {
    return usesCaller(world, resolver, action, {});
}

}  // namespace specql
