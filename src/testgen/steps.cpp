#include "testgen/steps.hpp"

#include <algorithm>

#include "text/quote.hpp"

namespace specql::testgen {

void visitSteps(const resolve::Resolver& resolver, const resolve::ResolvedAction& action, const VisitStep& visit) {
    for (const resolve::ResolvedBranch& branch : action.branches)
        for (const std::vector<resolve::ResolvedStep>* steps : {&branch.steps, &branch.otherwise})
            for (const resolve::ResolvedStep& step : *steps)
                visitSteps(resolver, step, visit);
}

void visitSteps(const resolve::Resolver& resolver, const resolve::ResolvedStep& step, const VisitStep& visit) {
    visit(step);
    for (const std::vector<resolve::ResolvedStep>* steps : {&step.then, &step.otherwise})
        for (const resolve::ResolvedStep& inner : *steps)
            visitSteps(resolver, inner, visit);
    for (const resolve::ResolvedAction& called : resolver.actions)
        if (step.calledAction && called.info == step.calledAction) visitSteps(resolver, called, visit);
}

bool insertsRow(const resolve::ResolvedStep& step) {
    spec::StepKind kind = step.spec->kind;
    return step.target && (kind == spec::StepKind::insert || kind == spec::StepKind::append ||
                           kind == spec::StepKind::create || kind == spec::StepKind::upsert);
}

bool writesRows(const resolve::ResolvedStep& step) {
    return step.target && (step.spec->kind == spec::StepKind::update || step.spec->kind == spec::StepKind::remove);
}

bool isSeen(const resolve::ResolvedStep& step) {
    switch (step.spec->kind) {
        case spec::StepKind::validate:
        case spec::StepKind::ret:
        case spec::StepKind::let:
        case spec::StepKind::lock: return false;
        case spec::StepKind::find: return !step.otherwise.empty();
        default: return true;
    }
}

bool looksForRows(const resolve::ResolvedStep& step) {
    spec::StepKind kind = step.spec->kind;
    return step.target && step.where &&
           (kind == spec::StepKind::find || kind == spec::StepKind::each || kind == spec::StepKind::lock);
}

unsigned operationOf(const resolve::ResolvedStep& step) {
    if (insertsRow(step)) return resolve::opInsert;
    if (!writesRows(step)) return 0;
    return step.spec->kind == spec::StepKind::update ? resolve::opUpdate : resolve::opDelete;
}

bool hears(const resolve::Binding& binding, const resolve::ResolvedStep& step) {
    if (binding.custom) return step.spec->kind == spec::StepKind::emit && step.spec->target.value == binding.event;
    const unsigned operation = operationOf(step);
    const std::vector<std::string> changed = binding.changed();
    const bool changes = changed.empty() || std::any_of(changed.begin(), changed.end(),
                                                        [&](const auto& column) { return assignmentOf(step, column); });
    return step.target == binding.entity && (binding.ops & operation) && (operation != resolve::opUpdate || changes);
}

std::vector<const resolve::BoundExpression*> valuesOf(const resolve::ResolvedStep& step) {
    std::vector<const resolve::BoundExpression*> values;
    for (const resolve::BoundAssignment& assignment : step.set)
        values.push_back(&assignment.value);
    for (const std::vector<resolve::BoundExpression>* list : {&step.args, &step.targetValues, &step.messageValues})
        for (const resolve::BoundExpression& bound : *list)
            values.push_back(&bound);
    values.erase(std::remove_if(values.begin(), values.end(), [](const auto* value) { return !*value; }), values.end());
    return values;
}

const resolve::BoundAssignment* assignmentOf(const resolve::ResolvedStep& step, const std::string& column) {
    for (const resolve::BoundAssignment& assignment : step.set)
        if (assignment.column == column) return &assignment;
    return nullptr;
}

std::string literalOf(const resolve::World& world, const resolve::BoundAssignment& assignment) {
    if (!assignment.value) return "";
    const ExpressionFacts& facts = world.facts(assignment.value.expression);
    if (!facts.isLiteral) return "";
    if (facts.literalType == "null") return "NULL";
    return facts.literalType == "text" ? quoteLiteral(facts.literalValue) : facts.literalValue;
}

}  // namespace specql::testgen
