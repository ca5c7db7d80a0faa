// What a step does, in the words of a test's description.
#include "testgen/effects.hpp"
#include "testgen/wording.hpp"
#include "text/quote.hpp"

namespace specql::testgen {

namespace {

class Phrases {
public:
    Phrases(const resolve::World& world, const Arm& arm) : world_(world), arm_(arm) {}

    std::string of(const resolve::ResolvedStep& step) const {
        switch (step.spec->kind) {
            case spec::StepKind::insert:
            case spec::StepKind::append:
            case spec::StepKind::create: return insertPhrase(step);
            case spec::StepKind::update: return updatePhrase(step);
            case spec::StepKind::remove: return event() + " deletes " + step.target->table;
            case spec::StepKind::emit: return event() + " raises " + step.spec->target.value;
            case spec::StepKind::validate:
            case spec::StepKind::branch:
            case spec::StepKind::foreach:
                return event() + " looks at " + world_.expressionText(step.condition.expression);
            default: break;
        }
        if (step.call == resolve::CallKind::function) return event() + " calls " + step.calledFunction;
        return deliveryPhrase(step);
    }

private:
    std::string event() const { return arm_.label + (arm_.eventLabel ? " event" : ""); }

    std::string insertPhrase(const resolve::ResolvedStep& step) const {
        const resolve::EntityInfo& target = *step.target;
        if (const ExpressionFacts* type = literalOf(step, "event_type")) {
            std::string alerts = alertPhrase(type->literalValue);
            if (!arm_.eventLabel)
                return arm_.label +
                       (alerts.empty() ? " records a " + type->literalValue + " event" : " triggers " + alerts);
            return arm_.label + " event is recorded in " + target.table;
        }
        if (step.spec->kind == spec::StepKind::append) return event() + " is appended to " + target.table;
        return event() + (step.spec->kind == spec::StepKind::create ? " creates " : " inserts ") + target.table;
    }

    const ExpressionFacts* literalOf(const resolve::ResolvedStep& step, const std::string& column) const {
        for (const resolve::BoundAssignment& assignment : step.set)
            if (assignment.column == column && assignment.value) {
                const ExpressionFacts& facts = world_.facts(assignment.value.expression);
                if (facts.isLiteral) return &facts;
            }
        return nullptr;
    }

    std::string updatePhrase(const resolve::ResolvedStep& step) const {
        if (step.set.size() == 1 && step.set[0].value) {
            const ExpressionFacts& facts = world_.facts(step.set[0].value.expression);
            for (const char* ending : {"_available", "_enabled", "_allowed", "_active", "_possible"})
                if (facts.isLiteral && facts.literalType == "boolean" &&
                    resolve::endsWith(step.set[0].column, ending)) {
                    std::string what =
                        step.set[0].column.substr(0, step.set[0].column.size() - std::string(ending).size());
                    return arm_.label + (facts.literalValue == "true" ? " enables " : " disables ") +
                           plural(join(resolve::words(what), " "));
                }
        }
        std::vector<std::string> columns;
        for (const resolve::BoundAssignment& assignment : step.set)
            columns.push_back(assignment.column);
        return event() + " updates " + join(columns, ", ") + " of " + step.target->table;
    }

    std::string deliveryPhrase(const resolve::ResolvedStep& step) const {
        const spec::Step& spec = *step.spec;
        if (spec.kind == spec::StepKind::notify) return event() + " notifies " + spec.target.value;
        if (spec.kind == spec::StepKind::escalate) return event() + " escalates to " + spec.target.value;
        if (spec.kind == spec::StepKind::callExternal) return event() + " " + operationPhrase(spec.message.value);
        return event() + " queues " + spec.target.value + " for " + spec.verb.value;
    }

    const resolve::World& world_;
    const Arm& arm_;
};

}  // namespace

std::string stepPhrase(const resolve::World& world, const Arm& arm, const resolve::ResolvedStep& step) {
    return Phrases(world, arm).of(step);
}

}  // namespace specql::testgen
