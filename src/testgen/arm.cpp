#include "testgen/arm.hpp"

#include <algorithm>

#include "emit/steps.hpp"
#include "testgen/steps.hpp"
#include "text/utf8.hpp"

namespace specql::testgen {

namespace {

void addArms(const Arm& outer, const std::vector<resolve::ResolvedStep>& steps, std::vector<Arm>& arms) {
    Arm arm = outer;
    for (const resolve::ResolvedStep& step : steps) {
        if (step.spec->kind == spec::StepKind::validate) arm.parts.push_back({&step.condition, false, &step});
        if (step.spec->kind == spec::StepKind::ret) break;
        if (step.spec->kind != spec::StepKind::branch) arm.steps.push_back(&step);
    }
    size_t own = arms.size();
    arms.push_back(arm);
    arm.steps.clear();
    arm.top = false;
    for (const resolve::ResolvedStep& step : steps) {
        if (step.spec->kind == spec::StepKind::ret) break;
        if (step.spec->kind != spec::StepKind::branch) continue;
        Arm inner = arm;
        inner.parts.push_back({&step.condition, false, nullptr});
        addArms(inner, step.then, arms);
        if (step.otherwise.empty()) continue;
        inner.parts.back().negated = true;
        addArms(inner, step.otherwise, arms);
    }
    if (arms[own].steps.empty() && arms.size() > own + 1) arms.erase(arms.begin() + static_cast<long>(own));
}

}  // namespace

std::vector<Arm> armsOf(const resolve::ResolvedAction& action) {
    std::vector<Arm> arms;
    for (const resolve::ResolvedBranch& branch : action.branches) {
        Arm arm;
        if (branch.condition) arm.parts.push_back({&branch.condition, false, nullptr});
        addArms(arm, branch.steps, arms);
        if (branch.otherwise.empty()) continue;
        arm.parts.back().negated = true;
        addArms(arm, branch.otherwise, arms);
    }
    return arms;
}

std::vector<Arm> namedArms(const resolve::World& world, const resolve::ResolvedAction& action) {
    std::vector<Arm> arms = armsOf(action);
    std::set<std::string> taken;
    for (size_t i = 0; i < arms.size(); i++) {
        Arm& arm = arms[i];
        arm.label = arms.size() == 1 ? action.base : action.base + " branch " + std::to_string(i + 1);
        if (arms.size() == 1) break;
        for (const resolve::ResolvedStep* step : arm.steps)
            for (const resolve::BoundAssignment& assignment : step->set) {
                if (assignment.column != "event_type" || !assignment.value) continue;
                const ExpressionFacts& facts = world.facts(assignment.value.expression);
                if (facts.isLiteral && taken.insert(facts.literalValue).second)
                    arm.label = facts.literalValue + " event";
            }
    }
    return arms;
}

std::vector<const resolve::ResolvedStep*> effective(const std::vector<const resolve::ResolvedStep*>& steps) {
    std::vector<const resolve::ResolvedStep*> found;
    for (const resolve::ResolvedStep* step : steps) {
        spec::StepKind kind = step->spec->kind;
        std::vector<const resolve::ResolvedStep*> inner;
        for (const std::vector<resolve::ResolvedStep>* part : {&step->then, &step->otherwise})
            for (const resolve::ResolvedStep& one : *part)
                inner.push_back(&one);
        const bool isOuter = kind == spec::StepKind::foreach || kind == spec::StepKind::each ||
                             kind == spec::StepKind::branch || kind == spec::StepKind::find;
        if (isOuter)
            inner = effective(inner);
        else if (isSeen(*step))
            inner = {step};
        found.insert(found.end(), inner.begin(), inner.end());
    }
    return found;
}

std::string stepTitle(const resolve::World& world, const Arm& arm, const resolve::ResolvedStep& step) {
    constexpr size_t most = 80;
    std::string text = emit::stepText(world, step, true);
    if (text.size() > most) {
        size_t end = most;
        while (isContinuationByte(text[end]))
            end--;
        text = text.substr(0, end) + "…";
    }
    return arm.label + ": " + text;
}

std::vector<unsigned> operationsOf(const resolve::ResolvedAction& action) {
    if (action.binding.custom) return {0};
    std::vector<unsigned> operations;
    for (unsigned op : {static_cast<unsigned>(resolve::opUpdate), static_cast<unsigned>(resolve::opInsert),
                        static_cast<unsigned>(resolve::opDelete)})
        if (action.binding.ops & op) operations.push_back(op);
    return operations;
}

resolve::ResolvedAction alone(resolve::ResolvedAction action) {
    action.binding.custom = true;
    action.binding.entity = nullptr;
    action.binding.ops = 0;
    return action;
}

bool isSwitchedOff(const resolve::ActionInfo& action) {
    const std::string& enabled = action.spec->enabled.value;
    return enabled == "false" || enabled == "no" || enabled == "off";
}

std::vector<Invariant> invariantsOf(const resolve::Resolver& resolver, const resolve::ActionInfo* except,
                                    const resolve::EntityInfo* entity, unsigned operation, const std::string& custom) {
    std::vector<Invariant> found;
    for (const resolve::ResolvedAction& other : resolver.actions) {
        const resolve::Binding& binding = other.binding;
        bool listens = custom.empty() ? !binding.custom && binding.entity == entity && (binding.ops & operation)
                                      : binding.custom && binding.event == custom;
        if (!listens || other.info == except || other.info->spec->onError.value != "abort" || other.window ||
            other.isFeed() || other.isAnswer() || resolve::isFunction(*other.info) || isSwitchedOff(*other.info))
            continue;
        std::set<const resolve::ResolvedStep*> known;
        for (const Arm& arm : armsOf(other)) {
            Invariant invariant;
            invariant.owner = &other;
            for (const Arm::Part& part : arm.parts) {
                if (!part.validate) {
                    invariant.when.push_back(part);
                } else if (known.insert(part.validate).second) {
                    invariant.holds = part.condition;
                    found.push_back(invariant);
                }
            }
        }
    }
    return found;
}

}  // namespace specql::testgen
