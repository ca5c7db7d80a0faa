// Tests of an event-driven action: each branch and its effects, both sides of each comparison, failure and retry.
#include <algorithm>

#include "resolve/contradiction.hpp"
#include "resolve/privacy.hpp"
#include "testgen/writer.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::testgen {

namespace {

// A branch of the action, and values for which it fires.
struct Case {
    Arm arm;
    std::string condition;  // empty if it cannot be tested
    std::string why;
    Fixture fixture;
};

class EventDriven {
public:
    EventDriven(Writer& writer, const resolve::ResolvedAction& action, unsigned operation)
        : writer_(writer),
          world_(writer.world),
          action_(action),
          operation_(operation),
          stage_(writer.world, writer.resolver, writer.tables, action, operation) {
        if (operationsOf(action).size() > 1)
            suffix_ = operation == resolve::opInsert   ? " on insert"
                      : operation == resolve::opDelete ? " on delete"
                                                       : " on update";
        for (Arm& arm : namedArms(writer.world, action)) {
            Case one{std::move(arm), "", "", {}};
            one.arm.label += suffix_;
            std::string why;
            if (!stage_.condition(one.arm, Scenario::reference, one.condition, why))
                one.why = "its condition cannot be tested: " + why;
            for (const Arm::Part& part : one.arm.parts) {
                std::string problem = part.negated ? "" : resolve::contradictionIn(world_, action, *part.condition);
                if (!problem.empty()) one.why = "it can never fire: " + problem;
            }
            if (!one.why.empty()) one.condition.clear();
            cases_.push_back(std::move(one));
        }
    }

    void write() {
        std::string unfit = writer_.isStopped(action_);
        if (unfit.empty()) unfit = stage_.unfit;
        if (!unfit.empty()) {
            writer_.begin(action_.info->name() + suffix_);
            for (const Case& one : cases_)
                writer_.skip(one.arm.label, unfit);
            return;
        }
        for (Case& one : cases_)
            search(one);
        auto first = std::find_if(cases_.begin(), cases_.end(), [](const Case& one) { return bool(one.fixture); });
        first_ = first == cases_.end() ? nullptr : &*first;
        if (!action_.binding.custom) trigger();
        for (const Case& one : cases_)
            effects(one);
        for (const Case& one : cases_)
            boundaries(one);
        if (operation_ == operationsOf(action_).front()) failure();
        writeAnswers(writer_, action_, operation_);
    }

private:
    // Conditions of the other arms, or of all.
    std::vector<std::string> asked(const Case* except) const {
        std::vector<std::string> conditions;
        for (const Case& one : cases_)
            if (&one != except && !one.condition.empty()) conditions.push_back(one.condition);
        return conditions;
    }

    // Values for which an arm's condition holds and the others' rather do not; rows that its steps need exist too.
    void search(Case& one) {
        if (one.condition.empty()) return;
        const Arm& arm = one.arm;
        std::vector<std::string> strict = stage_.wheres(arm), telling = stage_.telling(arm);
        strict.insert(strict.begin(), one.condition);
        telling.insert(telling.begin(), strict.begin(), strict.end());
        // Rather without the rows that steps need than against what other actions demand.
        for (bool strictly : {true, false})
            for (const std::vector<std::string>& conditions : {telling, strict, {one.condition}}) {
                one.why.clear();
                one.fixture = writer_.find(stage_, conditions, asked(&one), stage_.focus(arm), one.why, strictly);
                if (one.fixture || one.why.empty()) return;
            }
    }

    void plant(const Stage::Render& literal) const {
        writer_.rows(stage_, literal);
        for (const Allocation& allocation : stage_.allocations) {
            std::map<std::string, std::string> amount;
            if (!allocation.step->allocated.empty()) amount[allocation.step->allocated] = "1";
            if (allocation.row >= 0) writer_.fixture(stage_.quietRow(allocation.row, literal, amount));
        }
    }

    Reference reference(const Stage::Render& literal) const {
        return Reference(world_, writer_.resolver, stage_, literal);
    }

    // --- the event, and what it does ---------------------------------------------------------------------------------

    // "stock_change_trigger fires on stock_quantity update"
    void trigger() {
        const resolve::Binding& binding = action_.binding;
        const std::string changed =
            operation_ == resolve::opUpdate || !binding.value.empty() ? join(binding.changed(), " or ") : "";
        const std::string fires = action_.base + "_trigger fires on " +
                                  (changed.empty() ? binding.entity->table : changed) +
                                  (operation_ == resolve::opInsert   ? " insert"
                                   : operation_ == resolve::opDelete ? " delete"
                                                                     : " update");
        writer_.begin(action_.info->name() + ": the trigger");
        if (!first_) return writer_.skip(fires, cases_.front().why);
        Stage::Render literal = fireFirst(fires);
        writer_.checkCount(
            eventsOf(literal) + " AND v.type = " + quoteLiteral(binding.entity->shown() + "." + binding.event), 1,
            fires);
        if (operation_ != resolve::opUpdate || changed.empty()) return;
        const std::string stays = action_.base + "_trigger does not fire when " + changed + " stays the same";
        std::vector<std::string> kept;
        for (const std::string& name : binding.changed()) {
            const TestColumn* column = stage_.eventTable()->column(name);
            bool made = column && !column->generatedFrom.empty();
            const std::string set = quoteName(made ? column->generatedFrom.front() : name);
            kept.push_back(set + " = " + set);
        }
        writer_.begin(action_.info->name() + ": " + changed + " stays the same");
        literal = fireFirst(stays);
        writer_.fixture("UPDATE " + quoteName(binding.entity->schema, binding.entity->table) + " SET " +
                        join(kept, ", ") + "\nWHERE " + stage_.isEventRow(literal));
        writer_.checkCount(eventsOf(literal), 1, stays);
    }

    Stage::Render fireFirst(const std::string& check) {
        Stage::Render literal = writer_.literals(stage_, first_->fixture);
        plant(literal);
        writer_.fire(stage_, stage_.fire(literal), literal);
        writer_.doubt(stage_, nullptr, check);
        return literal;
    }

    std::string eventsOf(const Stage::Render& literal) const {
        return "SELECT count(*) FROM specql.events AS v\n    WHERE " + stage_.eventCondition(literal, "v");
    }

    void effects(const Case& one) {
        const Arm& arm = one.arm;
        writer_.begin(action_.info->name() + ": " + shownCondition(arm));
        if (!one.fixture) return writer_.skip(arm.label + " fires", one.why);
        Stage::Render others = writer_.literals(stage_, one.fixture), literal = writer_.literals(stage_, one.fixture);
        std::vector<Bystander> alone = bystanders(writer_, stage_, arm, literal, others);
        plant(literal);
        Reference wanted = reference(literal);
        for (const Bystander& row : alone)
            wanted.watch(row.place, row.query);
        const std::string event = stage_.fire(literal);
        writer_.compare(stage_, wanted, event, event);
        writer_.fire(stage_, event, literal);
        std::set<std::string> said;
        for (const resolve::ResolvedStep* step : effective(arm.steps)) {
            std::string title = stepTitle(world_, arm, *step);
            if (said.insert(title).second) writer_.checkStep(stage_, wanted, *step, title);
        }
        for (const Bystander& row : alone)
            writer_.checkPlaces({row.place}, row.title);
        writeProcessed(writer_, stage_, arm, literal);
        writePrivate(writer_, stage_, arm.label, literal);
        Play play{[this](const Stage::Render& values) { plant(values); },
                  [this](const Stage::Render& values) { return stage_.fire(values); },
                  [this](const Stage::Render& values) { return stage_.fire(values); }};
        for (const auto& [step, scope] : stage_.steps(arm)) {
            // What WHERE says of the one row that a step leads to is another matter.
            const int row = step->where && !step->ownRow && step->byContext < 0 ? stage_.rowOf(scope.own) : -1;
            if (row >= 0 && !scope.element)
                writeStrangers(writer_, stage_, *step, scope.own, row, arm.label, one.condition, stage_.focus(arm),
                               play);
        }
    }

    std::string shownCondition(const Arm& arm) const {
        std::vector<std::string> parts;
        for (const Arm::Part& part : arm.parts)
            parts.push_back((part.negated ? "not " : "") +
                            commentText(world_.expressionText(part.condition->expression)));
        return parts.empty() ? arm.label : arm.label + ": " + join(parts, ", and ");
    }

    // --- both sides of each comparison ---------------------------------------------------------------------------

    void boundaries(const Case& one) {
        for (const Arm::Part& part : one.arm.parts) {
            // What leads to a nested if has been tested with the steps around it.
            if (!tested_.insert({part.condition, part.negated}).second) continue;
            for (const spec::Atom& atom : spec::readCondition(world_.expressionText(part.condition->expression)).atoms)
                boundary(one, part, atom);
        }
    }

    void boundary(const Case& one, const Arm::Part& part, const spec::Atom& atom) {
        const resolve::BoundExpression& bound = *part.condition;
        const std::string& label = one.arm.label;
        const std::string shown =
            commentText(world_.expressionText(bound.expression).substr(atom.begin, atom.end - atom.begin));
        writer_.begin(action_.info->name() + ": " + label + ", both sides of " + shown);
        const std::string both = label + " on both sides of " + shown;
        if (one.condition.empty()) return writer_.skip(both, one.why);
        // The steps of the arm shall show, if that can be.
        std::vector<std::string> telling = stage_.wheres(one.arm), changes = stage_.telling(one.arm);
        telling.insert(telling.end(), changes.begin(), changes.end());
        const Sides sides = writer_.bothSides(stage_, one.arm, one.condition, bound, atom, asked(nullptr), telling);
        const bool refuses = part.validate != nullptr;
        for (const auto& [inside, outside] : sides.pairs) {
            side(one, refuses, inside, true, valuesOf(writer_, stage_, bound, atom, inside));
            side(one, refuses, outside, false, valuesOf(writer_, stage_, bound, atom, outside));
        }
        if (!sides.why.empty()) writer_.skip(both, sides.why);
    }

    // `refuses`: what turns is a condition of a `validate`.
    void side(const Case& one, bool refuses, const Fixture& fixture, bool fires, const std::string& values) {
        const std::string words =
            refuses ? (fires ? " is accepted at " : " is refused at ") : (fires ? " fires at " : " does not fire at ");
        const std::string description = one.arm.label + words + values;
        if (!sides_.insert(description).second) return;
        Stage::Render literal = writer_.literals(stage_, fixture);
        Reference wanted = reference(literal);
        std::string why;
        bool visible = std::any_of(one.arm.steps.begin(), one.arm.steps.end(), [&](const resolve::ResolvedStep* step) {
            return !wanted.places(*step, why).empty();
        });
        if (!refuses && !visible) return writer_.skip(description, "nothing that can be seen tells whether it fired");
        plant(literal);
        const std::string event = stage_.fire(literal);
        if (fires && !refuses) writer_.mustShow(stage_, wanted, event, one.arm.steps, description);
        writer_.rehearse(stage_, event, literal);
        for (const resolve::ResolvedStep* step : one.arm.steps)
            writer_.doubt(stage_, step, description);
        writer_.checkAll(stage_, wanted, event, event, description);
    }

    // --- failure ---------------------------------------------------------------------------------------------------

    void failure() {
        const std::string& name = action_.info->spec->name.value;
        const bool abort = action_.info->spec->onError.value == "abort";
        const std::string description = abort                  ? "a failing handler of " + name + " fails the statement"
                                        : writer_.failureShown ? "failed events of " + name + " are logged and retried"
                                                               : "failed events are logged and retried";
        writer_.begin(action_.info->name() + ": its handler fails");
        if (!first_) return writer_.skip(description, cases_.front().why);
        if (!abort && readsPrivate())
            return writer_.skip(description, "it reads a private field, which no event keeps until it is tried again");
        writer_.failureShown = writer_.failureShown || !abort;
        Stage::Render literal = writer_.literals(stage_, first_->fixture);
        const std::string event = stage_.fire(literal);
        plant(literal);
        if (!abort)
            writer_.checkRetried(stage_, reference(literal), first_->arm, effective(first_->arm.steps), event,
                                 stage_.eventCondition(literal, "f"));
        // What fails with these values by itself is not mended by another attempt.
        if (!abort)
            writer_.excuse("SELECT 'it cannot be set up: ' || (o.outcome #>> '{failed,0}')\nFROM specql.test_outcome(" +
                               dollarQuote(event, "script") + ", jsonb_build_object('failed', " +
                               dollarQuote("SELECT to_jsonb(f.message) FROM specql.failures AS f WHERE " +
                                               stage_.eventCondition(literal, "f"),
                                           "sql") +
                               ")) AS o(outcome)\nWHERE o.outcome #>> '{failed,0}' IS NOT NULL",
                           description);
        writer_.rehearse(stage_, event, literal);
        writer_.step(breakHandler(action_, failingBody));
        if (abort) {
            writer_.check("throws_ok(" + dollarQuote(event, "sql") + ", 'P0001', 'broken by a test', " +
                              quoteLiteral(description) + ")",
                          description);
            return writer_.step(mendHandler(action_));
        }
        writer_.step(event);
        writer_.step(mendHandler(action_));
        writer_.checkFailed(action_, stage_.eventCondition(literal, "f"), description);
    }

    bool readsPrivate() const {
        bool found = false;
        resolve::ResolvedAction copy = action_;
        resolve::visitExpressions(copy, [&](const resolve::BoundExpression& bound) {
            for (const resolve::Value& value : bound.values) {
                const bool isOfRow =
                    value.kind == resolve::ValueKind::eventColumn || value.kind == resolve::ValueKind::eventChange;
                const resolve::ColumnInfo* column = isOfRow ? action_.binding.entity->column(value.name) : nullptr;
                found = found || (column && resolve::isPrivate(*column));
            }
        });
        return found;
    }

    Writer& writer_;
    const resolve::World& world_;
    const resolve::ResolvedAction& action_;
    unsigned operation_;
    Stage stage_;
    std::vector<Case> cases_;
    const Case* first_ = nullptr;  // the first one for which values were found
    std::string suffix_;
    std::set<std::pair<const resolve::BoundExpression*, bool>> tested_;
    std::set<std::string> sides_;  // descriptions of boundaries that are written
};

}  // namespace

void writeEventDriven(Writer& writer, const resolve::ResolvedAction& action) {
    if (action.binding.ops == resolve::opTruncate) {
        writer.begin(action.info->name());
        for (const Arm& arm : namedArms(writer.world, action))
            writer.skip(arm.label, "its TRUNCATE would keep everybody else from the table while the tests run");
        return;
    }
    for (unsigned operation : operationsOf(action))
        EventDriven(writer, action, operation).write();
}

}  // namespace specql::testgen
