// Tests of rules that run before a row is written: what they set is there afterwards, and what they refuse is refused.
#include <algorithm>

#include "testgen/steps.hpp"
#include "testgen/writer.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::testgen {

namespace {

// The columns that rules set before the rows of an entity are written by an operation.
std::set<std::string> setBefore(const resolve::Resolver& resolver, const resolve::EntityInfo& entity,
                                unsigned operation) {
    std::set<std::string> columns;
    for (const resolve::ResolvedAction& action : resolver.actions) {
        const bool isRun = resolve::isBefore(*action.info) && (action.binding.ops & operation);
        if (!isRun || action.binding.entity != &entity) continue;
        visitSteps(resolver, action, [&](const resolve::ResolvedStep& step) {
            if (step.spec->kind != spec::StepKind::assign) return;
            for (const resolve::BoundAssignment& assignment : step.set)
                columns.insert(assignment.column);
        });
    }
    return columns;
}

class Before {
public:
    Before(Writer& writer, const resolve::ResolvedAction& action, unsigned operation)
        : writer_(writer),
          action_(action),
          entity_(*action.binding.entity),
          stage_(writer.world, writer.resolver, writer.tables, action, operation) {
        if (operationsOf(action).size() > 1)
            suffix_ = operation == resolve::opInsert   ? " on insert"
                      : operation == resolve::opDelete ? " on delete"
                                                       : " on update";
        unfit_ = stage_.unfit;
        const TestTable* table = unfit_.empty() ? stage_.eventTable() : nullptr;
        for (const TestTrigger& trigger : table ? table->triggers : std::vector<TestTrigger>())
            if ((trigger.operations & operation) && !isRule(trigger.name))
                unfit_ = "the " + trigger.name + " of " + table->name + " may change what is written";
        // What other rules make of the row is what these conditions are asked of, or the other way round.
        written_ = setBefore(writer.resolver, entity_, operation);
    }

    void write() {
        arms_ = namedArms(writer_.world, action_);
        for (Arm& arm : arms_) {
            arm.label += suffix_;
            std::string sql, why = unfit_;
            if (why.empty() && !stage_.condition(arm, Scenario::reference, sql, why))
                why = "its condition cannot be tested: " + why;
            for (const Arm::Part& part : arm.parts)
                if (why.empty()) why = readsWritten(*part.condition);
            sets(arm, sql, why);
            refusals(arm, sql, why);
        }
    }

private:
    // Whether a trigger is that of a rule like this one.
    bool isRule(const std::string& trigger) const {
        return std::any_of(writer_.resolver.actions.begin(), writer_.resolver.actions.end(),
                           [&](const resolve::ResolvedAction& other) {
                               return resolve::isBefore(*other.info) && other.binding.entity == &entity_ &&
                                      trigger == "trigger before_" + other.base;
                           });
    }

    // Why a value is not what the statement says of it; empty if it is.
    std::string readsWritten(const resolve::BoundExpression& bound) const {
        for (const resolve::Value& value : bound.values) {
            const bool isNew = value.kind == resolve::ValueKind::eventColumn && !value.old;
            if (isNew && written_.count(value.name)) return "it reads " + value.name + ", which such a rule sets";
            if (value.kind == resolve::ValueKind::local) return "it reads " + value.name + ", which a step computes";
        }
        return "";
    }

    void sets(const Arm& arm, const std::string& condition, const std::string& unfit) {
        std::vector<std::pair<const resolve::ResolvedStep*, const resolve::BoundAssignment*>> assignments;
        for (const resolve::ResolvedStep* step : arm.steps)
            for (const resolve::BoundAssignment& assignment : step->set)
                if (step->spec->kind == spec::StepKind::assign) assignments.emplace_back(step, &assignment);
        if (assignments.empty() || stage_.operation == resolve::opDelete) return;
        writer_.begin(action_.info->name() + ": " + arm.label + ", what it sets");
        std::string why = unfit;
        Fixture fixture;
        if (why.empty()) fixture = writer_.find(stage_, alone(arm, condition), {}, stage_.focus(arm), why);
        const Stage::Render literal = fixture ? writer_.literals(stage_, fixture) : Stage::Render();
        if (fixture) {
            writer_.rows(stage_, literal);
            writer_.fixture(stage_.fire(literal));
        }
        for (const auto& [step, assignment] : assignments) {
            const std::string title = arm.label + " sets " + assignment->column + " = " +
                                      commentText(writer_.world.expressionText(assignment->value.expression));
            std::string problem = why, sql;
            if (!fixture) {
                writer_.skip(title, problem);
                continue;
            }
            if (problem.empty() && countOf(arm, assignment->column) > 1)
                problem = assignment->column + " is set more than once";
            if (problem.empty()) problem = readsWritten(assignment->value);
            if (problem.empty()) (void)stage_.print(assignment->value, literal, {}, sql, problem);
            if (!problem.empty()) {
                writer_.skip(title, problem);
                continue;
            }
            const std::string& type = entity_.column(assignment->column)->type;
            writer_.check("is((SELECT t." + quoteName(assignment->column) + "::text FROM " +
                              quoteName(entity_.schema, entity_.table) + " AS t WHERE " +
                              stage_.isEventRow(literal, "t") + "),\n    ((" + sql + ")::" + type + ")::text, " +
                              quoteLiteral(title) + ")",
                          title);
        }
    }

    static bool setsColumn(const resolve::ResolvedStep& step, const std::string& column) {
        return step.spec->kind == spec::StepKind::assign && assignmentOf(step, column);
    }

    // That this arm is taken, and no other one that sets something.
    std::vector<std::string> alone(const Arm& arm, const std::string& condition) const {
        std::vector<std::string> conditions = {condition};
        for (const Arm& other : arms_) {
            std::string sql, why;
            const bool isSetting = std::any_of(other.steps.begin(), other.steps.end(), [](const auto* step) {
                return step->spec->kind == spec::StepKind::assign;
            });
            if (&other != &arm && isSetting && stage_.condition(other, Scenario::reference, sql, why) && sql != "true")
                conditions.push_back("(" + sql + ") IS NOT TRUE");
        }
        return conditions;
    }

    // How many steps set a column: of this arm, of those that are always taken, and of other such rules.
    int countOf(const Arm& arm, const std::string& column) const {
        int count = 0;
        for (const Arm& own : arms_)
            for (const resolve::ResolvedStep* step : own.steps)
                if ((&own == &arm || own.parts.empty()) && setsColumn(*step, column)) count++;
        for (const resolve::ResolvedAction& action : writer_.resolver.actions) {
            const bool isRun = resolve::isBefore(*action.info) && (action.binding.ops & stage_.operation);
            if (!isRun || action.binding.entity != &entity_ || &action == &action_) continue;
            visitSteps(writer_.resolver, action, [&](const resolve::ResolvedStep& step) {
                if (setsColumn(step, column)) count++;
            });
        }
        return count;
    }

    void refusals(const Arm& arm, const std::string& condition, const std::string& unfit) {
        for (const Arm::Part& part : arm.parts) {
            if (!part.validate || !tested_.insert(part.condition).second) continue;
            const std::string& text = writer_.world.expressionText(part.condition->expression);
            for (const spec::Atom& atom : spec::readCondition(text).atoms) {
                const std::string shown = commentText(text.substr(atom.begin, atom.end - atom.begin));
                writer_.begin(action_.info->name() + ": " + arm.label + ", both sides of " + shown);
                if (!unfit.empty()) {
                    writer_.skip(arm.label + " on both sides of " + shown, unfit);
                    continue;
                }
                const Sides sides = writer_.bothSides(stage_, arm, condition, *part.condition, atom, {});
                for (const auto& [inside, outside] : sides.pairs) {
                    side(arm, part, atom, inside, true);
                    side(arm, part, atom, outside, false);
                }
                if (!sides.why.empty()) writer_.skip(arm.label + " on both sides of " + shown, sides.why);
            }
        }
    }

    void side(const Arm& arm, const Arm::Part& part, const spec::Atom& atom, const Fixture& fixture, bool accepted) {
        const std::string title = arm.label + (accepted ? " accepts " : " refuses ") +
                                  valuesOf(writer_, stage_, *part.condition, atom, fixture);
        if (!sides_.insert(title).second) return;
        const Stage::Render literal = writer_.literals(stage_, fixture);
        writer_.rows(stage_, literal);
        const std::string event = dollarQuote(stage_.fire(literal), "sql");
        writer_.check(accepted ? "lives_ok(" + event + ", " + quoteLiteral(title) + ")"
                               : "throws_ok(" + event + ", 'SQ206', NULL, " + quoteLiteral(title) + ")",
                      title);
    }

    Writer& writer_;
    const resolve::ResolvedAction& action_;
    const resolve::EntityInfo& entity_;
    Stage stage_;
    std::vector<Arm> arms_;
    std::string unfit_, suffix_;
    std::set<std::string> written_;
    std::set<const resolve::BoundExpression*> tested_;
    std::set<std::string> sides_;
};

}  // namespace

void writeBefore(Writer& writer, const resolve::ResolvedAction& action) {
    for (unsigned operation : operationsOf(action))
        Before(writer, action, operation).write();
}

}  // namespace specql::testgen
