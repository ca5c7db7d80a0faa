#include "emit/caller.hpp"

#include <algorithm>

namespace specql::emit {

namespace {

void collectCalled(const std::vector<resolve::ResolvedStep>& steps, std::set<const resolve::ActionInfo*>& called) {
    for (const resolve::ResolvedStep& step : steps) {
        if (step.calledAction) called.insert(step.calledAction);
        collectCalled(step.then, called);
        collectCalled(step.otherwise, called);
    }
}

bool asksForCaller(const resolve::World& world, const resolve::BoundExpression& bound) {
    static const std::vector<std::string> function = {"specql", "caller"};
    const std::vector<CallUse>& calls = world.facts(bound.expression).calls;
    return std::any_of(bound.values.begin(), bound.values.end(),
                       [](const resolve::Value& value) { return value.kind == resolve::ValueKind::caller; }) ||
           std::any_of(calls.begin(), calls.end(), [](const CallUse& call) { return call.name == function; });
}

bool usesCaller(const resolve::World& world, const resolve::Resolver& resolver, const resolve::ResolvedAction& action,
                std::set<const resolve::ActionInfo*> seen) {
    bool uses = false;
    resolve::ResolvedAction copy = action;
    resolve::visitExpressions(
        copy, [&](const resolve::BoundExpression& bound) { uses = uses || asksForCaller(world, bound); });
    std::set<const resolve::ActionInfo*> called;
    for (const resolve::ResolvedBranch& branch : action.branches) {
        collectCalled(branch.steps, called);
        collectCalled(branch.otherwise, called);
    }
    seen.insert(action.info);
    return uses ||
           std::any_of(resolver.actions.begin(), resolver.actions.end(), [&](const resolve::ResolvedAction& other) {
               return called.count(other.info) && !seen.count(other.info) && usesCaller(world, resolver, other, seen);
           });
}

}  // namespace

bool usesCaller(const resolve::World& world, const resolve::Resolver& resolver, const resolve::ResolvedAction& action) {
    return usesCaller(world, resolver, action, {});
}

}  // namespace specql::emit
