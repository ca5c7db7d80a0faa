// What earlier steps of a process gave.
#include <algorithm>

#include "resolve/names.hpp"
#include "resolve/privacy.hpp"
#include "resolve/process.hpp"
#include "text/ascii.hpp"
#include "text/quote.hpp"

namespace specql::resolve {

namespace {

constexpr char ownCompleted[] = "step_completed";
constexpr char completed[] = "_completed";

// As PostgreSQL reads a name that does not stand in quotes.
std::string folded(std::string name) {
    std::transform(name.begin(), name.end(), name.begin(), toAsciiLower);
    return name;
}

}  // namespace

bool Names::lookupStage(const Scope& scope, const NameUse& use, Value& value, NameProblem& problem) {
    if (scope.stages.empty() && scope.stage < 0) return false;
    const std::string& first = use.parts.front();
    auto isDone = [&](int stage, const std::string& name) {
        value = simpleValue(ValueKind::result, "", "boolean", "whether a step was done",
                            "true if the step " + name + " was done");
        value.context = stage;
        return true;
    };
    if (use.parts.size() == 1) {
        if (event_.declaredParam(first)) return false;
        if (scope.stage >= 0 && first == ownCompleted)
            return isDone(scope.stage,
                          action_.spec->branches.front().steps[static_cast<size_t>(scope.stage)].label.value);
        for (const StageName& known : scope.stages) {
            const std::string own = folded(known.name);
            if (known.isOfEntity || (first != own && first != own + completed)) continue;
            if (known.when != StageName::When::before) {
                problem = notYet(known);
                return false;
            }
            if (first == own + completed) return isDone(known.stage, known.name);
            problem = {first + " is a step, and a value is wanted",
                       "name something of its result, such as " + first + "." +
                           (known.entity && !known.entity->key.empty() ? quoteName(known.entity->key) : "id") +
                           ", or " + first + completed,
                       Code::R351};
            return false;
        }
        return false;
    }
    std::vector<const StageName*> found;
    for (const StageName& known : scope.stages) {
        // A row that is written is meant by its own entity's name, but where rows are looked for.
        const bool isTarget = known.isOfEntity && scope.target == known.entity && !scope.targetFirst;
        if (known.isOfEntity ? !isTarget && isNamed(*known.entity, first) : folded(known.name) == first)
            found.push_back(&known);
    }
    if (found.empty()) return false;
    // The name of a step is nearer than that of an entity.
    std::stable_partition(found.begin(), found.end(), [](const StageName* one) { return !one->isOfEntity; });
    const StageName& known = *found.front();
    if (found.size() > 1 && known.isOfEntity) {
        std::vector<std::string> written;
        for (const StageName* one : found)
            written.push_back(one->name + "." + use.parts.back());
        problem = {"more than one step makes a row of " + known.entity->name, "write " + join(written, " or ")};
        return false;
    }
    if (known.when != StageName::When::before) {
        problem = notYet(known);
        return false;
    }
    return ofStage(known, use, value, problem);
}

NameProblem Names::notYet(const StageName& known) const {
    if (known.when == StageName::When::beside)
        return {known.name + " is done at the same time, so nothing of it is known yet",
                "name a value of a step before, or let this one come after it", Code::R350};
    return {known.name + " comes later, so nothing of it is known yet", "name a value of a step before", Code::R350};
}

bool Names::ofStage(const StageName& known, const NameUse& use, Value& value, NameProblem& problem) {
    const std::string& name = use.parts.back();
    const spec::Step& step = action_.spec->branches.front().steps[static_cast<size_t>(known.stage)];
    if (use.parts.size() > 2) {
        problem = {"rows that " + known.name + " refers to are not read here", "give the saga their keys", Code::R040};
        return false;
    }
    if (known.entity) {
        const ColumnInfo* column = known.entity->columnOf(name);
        if (!column) {
            problem = noField(*known.entity, name);
            return false;
        }
        if (isPrivate(*column)) {
            problem = {join(use.parts, ".") + " is private, and what steps give is kept with the process",
                       "read it where it is needed, by the key of the row", Code::R352};
            return false;
        }
        value = simpleValue(
            ValueKind::result, column->name, column->type, "of the row that a step wrote",
            known.entity->shown() + "." + column->name + " of the row that the step " + known.name + " wrote");
        value.entity = known.entity;
    } else if (givesAnswer(*step.stage)) {
        value = simpleValue(ValueKind::result, name, name == wholeAnswer ? "jsonb" : "", "of the answer to a step",
                            name == wholeAnswer ? "what came back to the step " + known.name
                                                : name + " of what came back to the step " + known.name);
    } else {
        problem = {"the step " + known.name + " gives no value", "whether it was done is " + known.name + completed,
                   Code::R352};
        return false;
    }
    value.context = known.stage;
    if (known.entity) result_.results[known.stage].insert(value.name);
    return true;
}

}  // namespace specql::resolve
