#include "resolve/references.hpp"

#include <algorithm>

#include "text/quote.hpp"

namespace specql::resolve {

namespace {

const char* verbOf(spec::StepKind kind) {
    switch (kind) {
        case spec::StepKind::update: return "updates";
        case spec::StepKind::remove: return "deletes from";
        case spec::StepKind::append: return "appends to";
        case spec::StepKind::find:
        case spec::StepKind::each: return "looks up rows of";
        case spec::StepKind::lock: return "locks rows of";
        case spec::StepKind::assign: return "sets fields of";
        default: return "inserts into";
    }
}

bool implies(spec::StepKind kind) {
    return kind == spec::StepKind::append || kind == spec::StepKind::create;
}

class References {
public:
    References(World& world, Resolver& resolver, const std::set<std::string>& units, bool freshOnly)
        : world_(world), resolver_(resolver), units_(units), freshOnly_(freshOnly) {}

    std::vector<std::string> find() {
        for (ResolvedAction& action : resolver_.actions)
            if (!goes(action.info->unit)) noteImplied(action);
        for (const EntityInfo& entity : world_.entities)
            if (entity.spec && asked(*entity.unit)) ofEntity(entity);
        for (ResolvedAction& action : resolver_.actions)
            if (asked(*action.info->unit)) ofAction(action);
        for (const EntityExpression& expression : resolver_.entityExpressions)
            if (asked(*expression.entity->unit))
                ofExpression(expression.bound, "the entity " + expression.entity->home + "." + expression.entity->name);
        return std::move(found_);
    }

private:
    bool asked(const Unit& unit) const { return !goes(&unit) && (unit.fresh() || !freshOnly_); }
    bool goes(const Unit* unit) const { return unit && units_.count(unit->key()) > 0; }
    // A table that a step of an action that stays writes is made from that step then.
    bool goes(const EntityInfo& entity) const { return goes(entity.unit) && !implied_.count(&entity); }

    void add(std::string sentence) {
        if (std::find(found_.begin(), found_.end(), sentence) == found_.end()) found_.push_back(std::move(sentence));
    }
    void add(const ResolvedAction& action, const std::string& does, const EntityInfo& entity) {
        if (goes(entity)) add("action " + action.info->name() + " " + does + " " + entity.home + "." + entity.name);
    }

    void noteImplied(const ResolvedAction& action) {
        for (const ResolvedBranch& branch : action.branches) {
            noteImplied(branch.steps);
            noteImplied(branch.otherwise);
        }
    }
    void noteImplied(const std::vector<ResolvedStep>& steps) {
        for (const ResolvedStep& step : steps) {
            if (step.target && step.target->impliedByStep && implies(step.spec->kind)) implied_.insert(step.target);
            noteImplied(step.then);
            noteImplied(step.otherwise);
        }
    }

    void ofEntity(const EntityInfo& entity) {
        for (const ColumnInfo& column : entity.columns) {
            if (!column.field || column.field->refTarget.empty()) continue;
            const EntityInfo* target = world_.entity(column.field->refTarget.value, entity.home);
            if (target && goes(*target))
                add(entity.home + "." + entity.name + "." + column.field->name.value + " refers to " + target->home +
                    "." + target->name);
        }
    }

    void ofAction(ResolvedAction& action) {
        const Binding& binding = action.binding;
        if (!binding.custom && binding.entity && !shrinks(action))
            add(action,
                binding.due               ? "is due at times of"
                : !action.waiters.empty() ? "waits for changes of"
                : action.isFeed()         ? "counts changes of"
                                          : "is raised by changes of",
                *binding.entity);
        for (const ResolvedBranch& branch : action.branches) {
            ofSteps(action, branch.steps);
            ofSteps(action, branch.otherwise);
        }
        for (const Context& context : action.contexts)
            if (!context.locked) add(action, "reads a row of", *context.entity);
        visitExpressions(action, [&](BoundExpression& bound) {
            ofExpression(bound, "action " + action.info->name());
            for (const EntityInfo* entity : bound.tables)
                if (entity) add(action, "looks up rows of", *entity);
        });
    }

    // any_<words>_change is about the tables there are: it can do with fewer, as long as one is left.
    bool shrinks(const ResolvedAction& action) const {
        auto anyChange = [](const ResolvedAction& one) {
            return one.info->spec->on.empty() && one.info->spec->further.empty() && one.binding.ops == everyRowChange;
        };
        return anyChange(action) &&
               std::any_of(resolver_.actions.begin(), resolver_.actions.end(), [&](const ResolvedAction& other) {
                   return other.info == action.info && other.source == action.source && !other.binding.custom &&
                          anyChange(other) && !goes(*other.binding.entity);
               });
    }

    void ofSteps(const ResolvedAction& action, const std::vector<ResolvedStep>& steps) {
        for (const ResolvedStep& step : steps) {
            if (step.target) add(action, verbOf(step.spec->kind), *step.target);
            if (step.calledAction && goes(step.calledAction->unit))
                add("action " + action.info->name() + " calls the action " + step.calledAction->name());
            if (!step.calledFunction.empty()) ofFunction(step.calledFunction, "action " + action.info->name());
            ofSteps(action, step.then);
            ofSteps(action, step.otherwise);
        }
    }

    // Functions that a unit generated may be called like any other.
    void ofFunction(const std::string& function, const std::string& who) {
        for (const InstalledObject& object : world_.catalog().objects)
            if (object.kind == ObjectKind::function && units_.count(object.unit) > 0 &&
                object.identity.compare(0, function.size() + 1, function + "(") == 0)
                add(who + " calls the function " + object.identity);
    }
    void ofExpression(const BoundExpression& bound, const std::string& who) {
        if (bound.request < 0 || static_cast<size_t>(bound.request) >= resolver_.results().size()) return;
        for (const QualifiedUse& use : resolver_.results()[bound.request].qualified)
            ofFunction(use.sql, who);
    }

    World& world_;
    Resolver& resolver_;
    const std::set<std::string>& units_;
    bool freshOnly_;
    std::set<const EntityInfo*> implied_;
    std::vector<std::string> found_;
};

}  // namespace

std::vector<std::string> referencesTo(World& world, Resolver& resolver, const std::set<std::string>& units,
                                      bool freshOnly) {
    return References(world, resolver, units, freshOnly).find();
}

}  // namespace specql::resolve
