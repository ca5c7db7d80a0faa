#include "resolve/batch.hpp"

#include <algorithm>

namespace specql::resolve {

namespace {

bool isInsertion(const ResolvedStep& step) {
    return step.spec->kind == spec::StepKind::insert || step.spec->kind == spec::StepKind::append ||
           step.spec->kind == spec::StepKind::create || step.spec->kind == spec::StepKind::upsert;
}

bool isChange(const ResolvedStep& step) {
    return step.spec->kind == spec::StepKind::update || step.spec->kind == spec::StepKind::remove;
}

// A query would see what an element before it has written, and a row that a key leads to is read for one element.
bool looksAtRows(const BoundExpression& bound) {
    return !bound.tables.empty() || std::any_of(bound.values.begin(), bound.values.end(),
                                                [](const Value& value) { return value.kind == ValueKind::context; });
}

}  // namespace

const Value* rowOfElement(const World& world, const ResolvedAction& action, const ResolvedStep& step) {
    const Value* key = nullptr;
    if (step.byContext >= 0) key = &action.contexts[static_cast<size_t>(step.byContext)].key;
    if (step.byContext < 0) key = keyInWhere(world, step);
    return key && key->kind == ValueKind::payload ? key : nullptr;
}

const ResolvedStep* writingStep(const ResolvedAction& action) {
    for (const ResolvedBranch& branch : action.branches)
        for (const ResolvedStep& step : branch.steps)
            if (step.target && (isInsertion(step) || isChange(step))) return &step;
    return nullptr;
}

const ResolvedStep* writtenAtOnce(const World& world, const ResolvedAction& action) {
    if (!action.info->spec->batch.key || action.batchParameter.empty() || action.branches.size() != 1) return nullptr;
    const ResolvedBranch& branch = action.branches.front();
    if (branch.condition || branch.steps.empty() || !branch.otherwise.empty()) return nullptr;
    const ResolvedStep& last = branch.steps.back();
    bool tested = std::all_of(branch.steps.begin(), branch.steps.end() - 1,
                              [](const ResolvedStep& step) { return step.spec->kind == spec::StepKind::validate; });
    bool looks = looksAtRows(last.where) ||
                 std::any_of(last.set.begin(), last.set.end(),
                             [](const BoundAssignment& assignment) { return looksAtRows(assignment.value); });
    if (!tested || looks || !last.target || last.limit || !last.order.empty()) return nullptr;
    if (isInsertion(last)) return &last;
    return isChange(last) && !last.target->key.empty() && rowOfElement(world, action, last) ? &last : nullptr;
}

}  // namespace specql::resolve
