// Tests of an event-driven action: each branch and its effects, both sides of each comparison, failure and retry.
#include <algorithm>

#include "resolve/contradiction.hpp"
#include "testgen/bystanders.hpp"
#include "testgen/doubts.hpp"
#include "testgen/wording.hpp"
#include "testgen/writer.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::testgen {

namespace {

class EventDriven {
public:
    EventDriven(Writer& writer, const resolve::ResolvedAction& action, unsigned operation)
        : writer_(writer),
          world_(writer.world),
          action_(action),
          operation_(operation),
          stage_(writer.world, writer.resolver, writer.tables, action, operation),
          arms_(namedArms(writer.world, action)) {
        if (operationsOf(action).size() > 1)
            suffix_ = operation == resolve::opInsert   ? " on insert"
                      : operation == resolve::opDelete ? " on delete"
                                                       : " on update";
        for (size_t i = 0; i < arms_.size(); i++) {
            std::string sql, why;
            bool known = stage_.condition(arms_[i], Scenario::reference, sql, why);
            conditions_.push_back(known ? sql : "");
            reasons_.push_back(known ? "" : "its condition cannot be tested: " + why);
            never_.emplace_back();
            for (const Arm::Part& part : arms_[i].parts) {
                std::string problem = part.negated ? "" : resolve::contradictionIn(world_, action, *part.condition);
                if (!problem.empty()) never_.back() = "it can never fire: " + problem;
            }
            if (!never_.back().empty()) reasons_.back() = never_.back();
        }
    }

    void write() {
        std::string name = action_.info->name() + suffix_, unfit = writer_.isStopped(action_);
        if (unfit.empty()) unfit = stage_.unfit;
        if (!unfit.empty()) {
            writer_.begin(name);
            for (const Arm& arm : arms_)
                writer_.skip(arm.label + suffix_, unfit);
            return;
        }
        std::vector<Fixture> found;
        for (size_t i = 0; i < arms_.size(); i++)
            found.push_back(search(i));
        first_ = static_cast<size_t>(
            std::find_if(found.begin(), found.end(), [](const Fixture& one) { return bool(one); }) - found.begin());
        if (!action_.binding.custom) trigger(found);
        for (size_t i = 0; i < arms_.size(); i++)
            effects(i, found[i]);
        for (size_t i = 0; i < arms_.size(); i++)
            boundaries(i);
        failure(found);
    }

private:
    // Values for which an arm's condition holds and the others' rather do not; rows that its steps need exist too.
    Fixture search(size_t which) {
        if (conditions_[which].empty() || !never_[which].empty()) return {};
        std::vector<std::string> asked, strict = {conditions_[which]};
        for (size_t i = 0; i < arms_.size(); i++)
            if (i != which && !conditions_[i].empty()) asked.push_back(conditions_[i]);
        for (const std::string& where : stage_.wheres(arms_[which]))
            strict.push_back(where);
        for (const resolve::ResolvedStep* step : arms_[which].steps) {
            std::string sql, why;
            for (int k = 0; stage_.loopOf(*step) >= 0 && k < 2; k++) {
                Stage::Element element(stage_, stage_.loopOf(*step), k);
                for (const resolve::ResolvedStep& inner : step->then)
                    if (inner.where && stage_.print(inner.where, Scenario::reference, stage_.ownOf(inner), sql, why))
                        strict.push_back(sql);
            }
        }
        for (size_t i = 0; i < stage_.allocations.size(); i++) {
            const Allocation& allocation = stage_.allocations[i];
            std::string sql, why;
            Place own = Place::allocation(i);
            if (allocation.step->where && stage_.print(allocation.step->where, Scenario::reference, own, sql, why))
                strict.push_back(sql);
            if (!allocation.step->allocated.empty() && allocation.step->limit &&
                stage_.print(allocation.step->limit, Scenario::reference, own, sql, why))
                strict.push_back("(" + sql + ") >= 1");
        }
        Focus focus = stage_.focus(arms_[which]);
        std::vector<std::string> telling = strict;
        for (const resolve::ResolvedStep* step : arms_[which].steps) {
            if (stage_.loopOf(*step) >= 0) tellApart(*step, telling);
            std::string changes = stage_.changes(*step);
            if (!changes.empty()) telling.push_back(changes);
        }
        // Rather without the rows that steps need than against what other actions demand.
        for (bool strictly : {true, false})
            for (const std::vector<std::string>& conditions : {telling, strict, {conditions_[which]}}) {
                reasons_[which].clear();
                Fixture best = writer_.find(stage_, conditions, asked, focus, reasons_[which], strictly);
                if (best || reasons_[which].empty()) return best;
            }
        return {};
    }

    // An if within a foreach holds for the first element and not for the second.
    void tellApart(const resolve::ResolvedStep& loop, std::vector<std::string>& conditions) const {
        for (int k = 0; k < 2; k++) {
            Stage::Element element(stage_, stage_.loopOf(loop), k);
            for (const resolve::ResolvedStep& inner : loop.then) {
                std::string sql, why;
                if (inner.spec->kind == spec::StepKind::branch &&
                    stage_.print(inner.condition, Scenario::reference, {}, sql, why))
                    conditions.push_back("(" + sql + (k == 0 ? ") IS TRUE" : ") IS NOT TRUE"));
            }
        }
    }

    void stageUp(const Fixture& fixture, Stage::Render& literal) {
        literal = writer_.literals(stage_, fixture);
        plant(literal);
        writer_.fire(stage_, stage_.fire(literal), literal);
    }

    void plant(const Stage::Render& literal) {
        writer_.rows(stage_, literal);
        for (const Allocation& allocation : stage_.allocations)
            if (allocation.row >= 0) writer_.fixture(stage_.allocationRow(allocation, literal, amount(allocation)));
    }

    // A flag that a step of the arm sets is not set before.
    Fixture differing(const Arm& arm, Fixture fixture) const {
        for (const resolve::ResolvedStep* step : arm.steps)
            for (const resolve::BoundAssignment& assignment : step->set) {
                Place own = stage_.ownOf(*step);
                if (!own || !assignment.value) continue;
                const ExpressionFacts& facts = world_.facts(assignment.value.expression);
                if (!facts.isLiteral || facts.literalType != "boolean") continue;
                int known = stage_.dimension({own == Place::after() ? Place::row() : own, assignment.column});
                if (known >= 0 && !stage_.scenario.dimensions[static_cast<size_t>(known)].essential)
                    fixture.values[static_cast<size_t>(known)] = facts.literalValue == "true" ? "false" : "true";
            }
        return fixture;
    }

    static std::map<std::string, std::string> amount(const Allocation& allocation) {
        if (allocation.step->allocated.empty()) return {};
        return {{allocation.step->allocated, "1"}};
    }

    // "stock_change_trigger fires on quantity update"
    void trigger(const std::vector<Fixture>& found) {
        const resolve::Binding& binding = action_.binding;
        std::string what =
            binding.changedColumn.empty() ? binding.entity->table : unsaidWords(binding.changedColumn, action_.base);
        const char* verb = operation_ == resolve::opInsert   ? " insert"
                           : operation_ == resolve::opDelete ? " delete"
                                                             : " update";
        std::string description = action_.base + "_trigger fires on " + what + verb;
        writer_.begin(action_.info->name() + ": the trigger");
        if (first_ == arms_.size()) {
            writer_.skip(description, reasons_[0]);
            return;
        }
        Stage::Render literal;
        stageUp(found[first_], literal);
        std::string one = "SELECT count(*) FROM specql.events AS v\n    WHERE " + stage_.eventCondition(literal, "v") +
                          " AND v.type = " + quoteLiteral(binding.entity->shown() + "." + binding.event);
        writer_.doubtNumber(stage_, literal, description);
        writer_.check(countIs(one, "1", description), description);
        if (operation_ != resolve::opUpdate || binding.changedColumn.empty()) return;
        description = action_.base + "_trigger does not fire when " + binding.changedColumn + " stays the same";
        std::string table = quoteName(binding.entity->schema, binding.entity->table);
        const TestColumn* changed = stage_.eventTable()->column(binding.changedColumn);
        bool made = changed && !changed->generatedFrom.empty();
        std::string column = quoteName(made ? changed->generatedFrom.front() : binding.changedColumn);
        std::string key = quoteName(binding.entity->key);
        writer_.begin(action_.info->name() + ": " + binding.changedColumn + " stays the same");
        stageUp(found[first_], literal);
        one = "SELECT count(*) FROM specql.events AS v\n    WHERE " + stage_.eventCondition(literal, "v");
        writer_.doubtNumber(stage_, literal, description);
        writer_.add(StatementKind::fire,
                    "UPDATE " + table + " SET " + column + " = " + column + "\nWHERE " + key + " = " +
                        literal(stage_.dimension({Place::row(), binding.entity->key})),
                    "");
        writer_.check(countIs(one, "1", description), description);
    }

    void effects(size_t which, const Fixture& fixture) {
        const Arm& arm = arms_[which];
        writer_.begin(action_.info->name() + suffix_ + ": " + shownCondition(arm));
        if (!fixture) {
            writer_.skip(arm.label + (arm.eventLabel ? " event" : "") + " fires" + suffix_, reasons_[which]);
            return;
        }
        Fixture values = differing(arm, fixture);
        Stage::Render others = writer_.literals(stage_, values), literal = writer_.literals(stage_, values);
        bool writes = std::any_of(arm.steps.begin(), arm.steps.end(), [](const resolve::ResolvedStep* step) {
            return changesRowsOf(*step, step->target) || step->spec->kind == spec::StepKind::foreach;
        });
        if (writes) writer_.rows(stage_, others);
        plant(literal);
        Reference reference(world_, writer_.resolver, stage_, literal);
        writer_.compare(stage_, reference, stage_.fire(literal), stage_.fire(literal));
        Bystanders bystanders(writer_, stage_);
        if (writes) bystanders.watch(suffixed(arm), literal, others);
        writer_.fire(stage_, stage_.fire(literal), literal);
        std::set<std::string> said;
        for (const auto& [step, description] : sentences(suffixed(arm), arm.steps))
            if (said.insert(description).second || step->target)
                writer_.checkStep(stage_, reference, *step, literal, description);
        bystanders.check();
        writeProcessed(writer_, stage_, suffixed(arm), literal);
        bystanders.strangers(suffixed(arm), conditions_[which], values);
    }

    Arm suffixed(Arm arm) const {
        arm.label += suffix_;
        return arm;
    }

    using Sentences = std::vector<std::pair<const resolve::ResolvedStep*, std::string>>;

    // Steps and what they do; of a loop that is what its steps do.
    Sentences sentences(const Arm& arm, const std::vector<const resolve::ResolvedStep*>& steps,
                        const std::string& each = "") const {
        Sentences found;
        for (const resolve::ResolvedStep* step : steps) {
            spec::StepKind kind = step->spec->kind;
            if (kind == spec::StepKind::foreach || kind == spec::StepKind::branch) {
                std::vector<const resolve::ResolvedStep*> inner;
                for (const std::vector<resolve::ResolvedStep>* part : {&step->then, &step->otherwise})
                    for (const resolve::ResolvedStep& one : *part)
                        inner.push_back(&one);
                bool loop = kind == spec::StepKind::foreach;
                for (auto& one :
                     sentences(arm, inner, loop ? " for each element" : " for each element that it is about"))
                    found.push_back(std::move(one));
            } else if (kind != spec::StepKind::validate && kind != spec::StepKind::ret) {
                found.emplace_back(step,
                                   (step->calledAction ? calls(arm, *step) : stepPhrase(world_, arm, *step)) + each);
            }
        }
        return found;
    }

    // "restock processes pending backorders"
    static std::string calls(const Arm& arm, const resolve::ResolvedStep& step) {
        const spec::Step& spec = *step.spec;
        std::vector<std::string> verb = resolve::words(spec.verb.value),
                                 function = resolve::words(spec.target.value.substr(spec.target.value.rfind('.') + 1));
        std::vector<std::string> what(verb.begin() + (verb.empty() ? 0 : 1), verb.end());
        std::vector<std::string> more(function.begin() + (function.empty() ? 0 : 1), function.end());
        bool says = std::all_of(what.begin(), what.end(), [&](const std::string& word) {
            return std::find(more.begin(), more.end(), word) != more.end();
        });
        return arm.label + " " + (verb.empty() ? "calls" : thirdPerson(verb[0])) + " " + join(says ? more : what, " ");
    }

    std::string shownCondition(const Arm& arm) const {
        std::vector<std::string> parts;
        for (const Arm::Part& part : arm.parts)
            parts.push_back((part.negated ? "not " : "") +
                            commentText(world_.expressionText(part.condition->expression)));
        return parts.empty() ? arm.label : arm.label + ": " + join(parts, ", and ");
    }

    // --- both sides of each comparison ---------------------------------------------------------------------------

    void boundaries(size_t which) {
        const Arm& arm = arms_[which];
        for (size_t p = 0; p < arm.parts.size(); p++) {
            const resolve::BoundExpression& bound = *arm.parts[p].condition;
            // What leads to a nested if has been tested with the steps around it.
            if (!tested_.insert({&bound, arm.parts[p].negated}).second) continue;
            const std::string& text = world_.expressionText(bound.expression);
            for (const spec::Atom& atom : spec::readCondition(text).atoms)
                boundary(which, arm.parts[p], atom);
        }
    }

    void boundary(size_t which, const Arm::Part& part, const spec::Atom& atom) {
        const Arm& arm = arms_[which];
        const resolve::BoundExpression& bound = *part.condition;
        std::string shown =
            commentText(world_.expressionText(bound.expression).substr(atom.begin, atom.end - atom.begin));
        std::string fires = arm.label + suffix_ + (arm.eventLabel ? " event" : "");
        writer_.begin(action_.info->name() + suffix_ + ": " + arm.label + ", both sides of " + shown);
        std::string sql, why = never_[which];
        if (!why.empty() || conditions_[which].empty() ||
            !stage_.printSlice(bound, atom.begin, atom.end, Scenario::reference, sql, why))
            return writer_.skip(fires + " on both sides of " + shown, why.empty() ? reasons_[which] : why);
        std::vector<std::string> asked;
        for (const std::string& condition : conditions_)
            if (!condition.empty()) asked.push_back(condition);
        std::set<int> read = stage_.dimensionsOf(bound, atom.begin, atom.end);
        bool any = false;
        Focus focus;
        stage_.focusOn(bound, {}, focus);
        for (const auto& [dimension, order] : stage_.focus(arm))
            focus.emplace(dimension, order);
        if (read.empty()) return;  // a constant
        for (bool greater : {true, false}) {
            Fixture inside, outside;
            if (!writer_.findPair(stage_, conditions_[which], sql, asked, read, greater, focus, inside, outside,
                                  stage_.wheres(arm)) &&
                !writer_.findPair(stage_, conditions_[which], sql, asked, read, greater, focus, inside, outside))
                continue;
            any = true;
            Stage::Render literal = writer_.literals(stage_, inside);
            if (part.validate && !isVisible(which, Reference(world_, writer_.resolver, stage_, literal)))
                accepted(which, bound, atom, inside, arm.label + suffix_ + " is accepted at ");
            else
                side(which, bound, atom, inside, true, fires + " fires at ");
            if (part.validate)
                refused(*part.validate, bound, atom, outside, fires + " is refused at ");
            else
                side(which, bound, atom, outside, false, fires + " does not fire at ");
        }
        if (!any) writer_.skip(fires + " on both sides of " + shown, "no values were found on both sides");
    }

    void side(size_t which, const resolve::BoundExpression& bound, const spec::Atom& atom, const Fixture& fixture,
              bool fires, const std::string& words) {
        Stage::Render literal = writer_.literals(stage_, differing(arms_[which], fixture));
        std::string description = words + valuesOf(bound, atom, fixture);
        if (!sides_.insert(description).second) return;
        Reference reference(world_, writer_.resolver, stage_, literal);
        if (!isVisible(which, reference))
            return writer_.skip(description, "nothing that can be seen tells whether it fired");
        const std::string event = stage_.fire(literal);
        writer_.rows(stage_, literal);
        if (fires) writer_.mustShow(stage_, reference, event, arms_[which].steps, description);
        writer_.rehearse(stage_, event, literal);
        for (const resolve::ResolvedStep* step : arms_[which].steps)
            writer_.doubtOthers(stage_, *step, literal, false, description);
        writer_.checkAll(stage_, reference, event, event, description);
    }

    // Whether something tells that an arm has fired.
    bool isVisible(size_t which, const Reference& reference) const {
        std::string why;
        return std::any_of(arms_[which].steps.begin(), arms_[which].steps.end(),
                           [&](const resolve::ResolvedStep* step) { return !reference.places(*step, why).empty(); });
    }

    // All that a validate step does is not to say no.
    void accepted(size_t which, const resolve::BoundExpression& bound, const spec::Atom& atom, const Fixture& fixture,
                  const std::string& words) {
        std::string description = words + valuesOf(bound, atom, fixture);
        if (!sides_.insert(description).second) return;
        Stage::Render literal = writer_.literals(stage_, differing(arms_[which], fixture));
        writer_.rows(stage_, literal);
        if (action_.info->spec->onError.value == "abort") {
            writer_.rehearse(stage_, stage_.fire(literal), literal);
            return writer_.check(
                "lives_ok(" + dollarQuote(stage_.fire(literal), "sql") + ", " + quoteLiteral(description) + ")",
                description);
        }
        writer_.fire(stage_, stage_.fire(literal), literal);
        writer_.check(countIs("SELECT count(*) FROM specql.failures AS f WHERE " + stage_.eventCondition(literal, "f"),
                              "0", description),
                      description);
    }

    // A validate step says no.
    void refused(const resolve::ResolvedStep& validate, const resolve::BoundExpression& bound, const spec::Atom& atom,
                 const Fixture& fixture, const std::string& words) {
        std::string description = words + valuesOf(bound, atom, fixture);
        if (!sides_.insert(description).second) return;
        Stage::Render literal = writer_.literals(stage_, fixture);
        writer_.rows(stage_, literal);
        std::string message = validate.spec->message.empty()
                                  ? "validation failed: " + world_.expressionText(validate.condition.expression)
                                  : validate.spec->message.value;
        writer_.rehearse(stage_, stage_.fire(literal), literal);
        if (action_.info->spec->onError.value == "abort")
            return writer_.check("throws_ok(" + dollarQuote(stage_.fire(literal), "sql") + ", 'SQ206', " +
                                     quoteLiteral(message) + ", " + quoteLiteral(description) + ")",
                                 description);
        writer_.step(stage_.fire(literal));
        writer_.check("is((SELECT ROW(f.sqlstate, f.message)::text FROM specql.failures AS f WHERE " +
                          stage_.eventCondition(literal, "f") + "),\n    ROW('SQ206', " + quoteLiteral(message) +
                          ")::text, " + quoteLiteral(description) + ")",
                      description);
    }

    // "new_stock = 10, reorder_point = 10"
    std::string valuesOf(const resolve::BoundExpression& bound, const spec::Atom& atom, const Fixture& fixture) const {
        const ExpressionFacts& facts = world_.facts(bound.expression);
        std::vector<std::string> shown;
        for (size_t i = 0; i < facts.names.size(); i++) {
            const NameUse& use = facts.names[i];
            if (use.offset < atom.begin || use.offset >= atom.end) continue;
            std::set<int> read = stage_.dimensionsOf(bound, use.offset, use.offset + use.length);
            std::vector<std::string> values;
            for (int dimension : read) {
                const std::string& value = fixture.values[static_cast<size_t>(dimension)];
                bool own = stage_.scenario.dimensions[static_cast<size_t>(dimension)].unique ||
                           value.find(numberMark) != std::string::npos;
                values.push_back(own ? "its own" : value.empty() ? "two elements" : value);
            }
            std::string text = join(use.parts, ".") + (values.size() > 1 ? " from " : " = ") + join(values, " and ");
            if (std::find(shown.begin(), shown.end(), text) == shown.end()) shown.push_back(text);
        }
        return join(shown, ", ");
    }

    // --- failure ---------------------------------------------------------------------------------------------------

    void failure(const std::vector<Fixture>& found) {
        if (operation_ != operationsOf(action_).front()) return;
        std::string description = writer_.failureShown
                                      ? "failed events of " + action_.info->spec->name.value + " are logged and retried"
                                      : "failed events are logged and retried";
        static const std::string message = "broken by a test";
        bool abort = action_.info->spec->onError.value == "abort";
        if (abort) description = "a failing handler of " + action_.info->spec->name.value + " fails the statement";
        writer_.begin(action_.info->name() + ": its handler fails");
        if (first_ == arms_.size()) return writer_.skip(description, reasons_[0]);
        writer_.failureShown = writer_.failureShown || !abort;
        Stage::Render literal = writer_.literals(stage_, differing(arms_[first_], found[first_]));
        plant(literal);
        if (!abort) retried(literal, message);
        writer_.rehearse(stage_, stage_.fire(literal), literal);
        for (const std::string& sql : breakHandler(action_, "RAISE EXCEPTION '" + message + "';"))
            writer_.step(sql);
        if (abort) {
            writer_.check("throws_ok(" + dollarQuote(stage_.fire(literal), "sql") + ", 'P0001', " +
                              quoteLiteral(message) + ", " + quoteLiteral(description) + ")",
                          description);
            for (const std::string& sql : mendHandler(action_))
                writer_.step(sql);
            return;
        }
        writer_.step(stage_.fire(literal));
        for (const std::string& sql : mendHandler(action_))
            writer_.step(sql);
        std::string status = action_.info->spec->maxAttempts.value == "1" ? "parked" : "failed";
        writer_.check(
            "is((SELECT ROW(f.status, f.attempts, f.message, specql.retry(f.id, f.action))::text\n"
            "    FROM specql.failures AS f WHERE " +
                stage_.eventCondition(literal, "f") + "),\n    ROW('" + status + "', 1, " + quoteLiteral(message) +
                ", 1)::text, " + quoteLiteral(description) + ")",
            description);
    }

    // A failed event that is tried again does what it would have done.
    void retried(const Stage::Render& literal, const std::string& message) {
        const Arm& arm = arms_[first_];
        Reference reference(world_, writer_.resolver, stage_, literal);
        std::string why;
        for (const auto& [step, does] : sentences(arm, arm.steps)) {
            if (reference.places(*step, why).empty()) continue;
            std::vector<std::string> script = breakHandler(action_, "RAISE EXCEPTION '" + message + "';");
            script.push_back(stage_.fire(literal));
            for (std::string& sql : mendHandler(action_))
                script.push_back(std::move(sql));
            script.push_back("DO $do$ BEGIN PERFORM specql.retry(f.id, f.action) FROM specql.failures AS f WHERE " +
                             stage_.eventCondition(literal, "f") + "; END $do$");
            std::string description = "retried: " + does;
            writer_.mustShow(stage_, reference, stage_.fire(literal), {step}, description);
            return writer_.checkAll(stage_, reference, join(script, ";\n"), stage_.fire(literal), description);
        }
    }

    Writer& writer_;
    const resolve::World& world_;
    const resolve::ResolvedAction& action_;
    unsigned operation_;
    Stage stage_;
    std::vector<Arm> arms_;
    std::vector<std::string> conditions_, reasons_;
    std::vector<std::string> never_;  // why an arm's condition contradicts itself
    std::string suffix_;
    std::set<std::pair<const resolve::BoundExpression*, bool>> tested_;
    std::set<std::string> sides_;  // descriptions of boundaries that are written
    size_t first_ = 0;             // the first arm for which values were found
};

}  // namespace

void writeEventDriven(Writer& writer, const resolve::ResolvedAction& action) {
    for (unsigned operation : operationsOf(action))
        EventDriven(writer, action, operation).write();
}

}  // namespace specql::testgen
