// Tests of functions that are called for a row: transitions and workflows. What a call leaves is compared with the
// reference, on both sides of each comparison; each allowed transition is made, and what is none is refused.
#include <algorithm>

#include "spec/states.hpp"
#include "testgen/writer.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::testgen {

namespace {

// A way through the function, and values for which it is taken.
struct Way {
    Arm arm;
    std::string condition;  // empty if it cannot be tested
    std::string why;
    Fixture fixture;
};

class Called {
public:
    Called(Writer& writer, const resolve::ResolvedAction& action)
        : writer_(writer),
          action_(alone(action)),
          entity_(*action.info->home),
          name_(snakeCase(action.info->spec->name.value)),
          stage_(writer.world, writer.resolver, writer.tables, action_, 0) {
        for (Arm& arm : namedArms(writer.world, action_)) {
            Way one{std::move(arm), "", stage_.unfit, {}};
            std::string why;
            if (action_.required && one.why.empty()) one.why = "who calls it is asked";
            if (one.why.empty() && !stage_.condition(one.arm, Scenario::reference, one.condition, why))
                one.why = "its condition cannot be tested: " + why;
            if (!one.why.empty()) one.condition.clear();
            ways_.push_back(std::move(one));
        }
    }

    void write() {
        for (Way& one : ways_)
            search(one);
        if (spec::isTransition(*action_.info->spec)) transitions();
        for (const Way& one : ways_)
            effects(one);
        for (const Way& one : ways_)
            boundaries(one);
    }

private:
    using Move = std::pair<std::string, std::string>;

    // --- calls -------------------------------------------------------------------------------------------------------

    std::string plainCall(const Stage::Render& literal) const {
        std::vector<std::string> args;
        for (const std::string& key : action_.payloadOrder)
            args.push_back(literal(stage_.dimension({Place::payload(), key})));
        return quoteName(action_.info->schema, name_) + "(" + join(args, ", ") + ")";
    }

    // What it returns is kept, to be looked at like the tables, and so are the words with which it refuses.
    std::string call(const Stage::Render& literal) const {
        const std::string kept = action_.result ? "set_config('specql_test.returned', " + plainCall(literal) + ", true)"
                                                : plainCall(literal);
        return "DO $do$ BEGIN\n    PERFORM set_config('specql_test.returned', '', true);\n    BEGIN\n        PERFORM " +
               kept +
               ";\n    EXCEPTION WHEN SQLSTATE 'SQ206' THEN\n        PERFORM set_config('specql_test.refused', "
               "SQLERRM, "
               "true);\n    END;\nEND $do$";
    }

    std::string refused(const std::string& sql, const std::string& description) const {
        return "throws_ok(" + dollarQuote(sql, "sql") + ", 'SQ206', NULL, " + quoteLiteral(description) + ")";
    }

    Reference reference(const Stage::Render& literal) const {
        return Reference(writer_.world, writer_.resolver, stage_, literal);
    }

    // --- values ------------------------------------------------------------------------------------------------------

    std::vector<std::string> asked(const Way* except) const {
        std::vector<std::string> conditions;
        for (const Way& one : ways_)
            if (&one != except && !one.condition.empty()) conditions.push_back(one.condition);
        return conditions;
    }

    void search(Way& one) {
        if (one.condition.empty()) return;
        std::vector<std::string> strict = stage_.wheres(one.arm), telling = stage_.telling(one.arm);
        strict.insert(strict.begin(), one.condition);
        telling.insert(telling.begin(), strict.begin(), strict.end());
        for (const std::vector<std::string>& conditions : {telling, strict, {one.condition}}) {
            one.why.clear();
            one.fixture = writer_.find(stage_, conditions, asked(&one), stage_.focus(one.arm), one.why);
            if (one.fixture || one.why.empty()) return;
        }
    }

    // --- transitions -------------------------------------------------------------------------------------------------

    // What it sets first is the state.
    std::string stateColumn() const {
        for (const resolve::ResolvedStep& step : action_.branches.front().steps)
            if (step.spec->kind == spec::StepKind::update) return step.set.front().column;
        return "";
    }

    std::vector<Move> moves() const {
        const spec::Action& spec = *action_.info->spec;
        std::vector<Move> found;
        auto add = [&](const Move& move) {
            if (std::find(found.begin(), found.end(), move) == found.end()) found.push_back(move);
        };
        for (const Text& from : spec.fromStates)
            if (spec.toState) add({from.value, spec.toState.value});
        if (entity_.spec->states)
            for (const spec::Transition& transition : entity_.spec->states->transitions)
                for (const Text& from : transition.from)
                    if (transition.on && transition.on.value == spec.name.value) add({from.value, transition.to.value});
        return found;
    }

    void transitions() {
        const std::string column = stateColumn();
        const int state = stage_.dimension({Place::context(0), column});
        const resolve::ColumnInfo* info = entity_.column(column);
        if (state < 0 || !info || !info->field) return;
        std::set<std::string> left, reached;
        for (const Move& move : moves()) {
            left.insert(move.first);
            reached.insert(move.second);
            made(state, column, move);
        }
        for (const std::string& other : info->field->enumValues)
            if (!left.count(other)) notMade(state, column, other, reached);
    }

    // All that the function asks but the state, so that nothing else refuses the call.
    std::vector<std::string> butState(int state) const {
        std::vector<std::string> conditions;
        for (const Arm::Part& part : ways_.front().arm.parts) {
            std::string sql, why;
            if (!stage_.dimensionsOf(*part.condition).count(state) && !part.negated &&
                stage_.print(*part.condition, Scenario::reference, {}, sql, why))
                conditions.push_back("(" + sql + ") IS TRUE");
        }
        return conditions;
    }

    Fixture inState(int state, const std::string& value, std::vector<std::string> conditions, std::string& why) {
        conditions.push_back(Scenario::reference(state) + " = " + quoteLiteral(value));
        Focus focus = stage_.focus(ways_.front().arm);
        return writer_.find(stage_, conditions, {}, focus, why);
    }

    void made(int state, const std::string& column, const Move& move) {
        const std::string title = name_ + ": " + move.first + " → " + move.second;
        writer_.begin(action_.info->name() + ": " + move.first + " → " + move.second);
        std::string why = ways_.front().condition.empty() ? ways_.front().why : "";
        Fixture fixture;
        if (why.empty()) fixture = inState(state, move.first, {ways_.front().condition}, why);
        if (!fixture) return writer_.skip(title, why);
        Stage::Render literal = writer_.literals(stage_, fixture);
        writer_.rows(stage_, literal);
        writer_.fixture("DO $do$ BEGIN PERFORM set_config('specql_test.returned', " + plainCall(literal) +
                        ", true); END $do$");
        writer_.check("is(current_setting('specql_test.returned'), " + quoteLiteral(move.second) + ", " +
                          quoteLiteral(title + " is what it returns") + ")",
                      title + " is what it returns");
        writer_.check("is((SELECT t." + quoteName(column) + "::text FROM " + quoteName(entity_.schema, entity_.table) +
                          " AS t WHERE t." + quoteName(entity_.key) + " = " +
                          literal(stage_.dimension({Place::context(0), entity_.key})) + "),\n    " +
                          quoteLiteral(move.second) + ", " + quoteLiteral(title + " is made") + ")",
                      title + " is made");
    }

    // Whether some transition leads from one state to another.
    bool isAllowed(const std::string& from, const std::string& to) const {
        const std::vector<spec::Transition>& all = entity_.spec->states->transitions;
        return from == to || std::any_of(all.begin(), all.end(), [&](const spec::Transition& one) {
                   return one.to.value == to && std::any_of(one.from.begin(), one.from.end(),
                                                            [&](const Text& state) { return state.value == from; });
               });
    }

    // Neither by the function nor, where the entity says what is allowed, by an update.
    void notMade(int state, const std::string& column, const std::string& other, const std::set<std::string>& reached) {
        const std::string title = name_ + " is refused to what is " + other;
        writer_.begin(action_.info->name() + ": from " + other);
        std::string why = stage_.unfit;
        if (why.empty() && action_.required) why = "who calls it is asked";
        Fixture fixture;
        if (why.empty()) fixture = inState(state, other, butState(state), why);
        if (!fixture && !why.empty() && stage_.unfit.empty() && !action_.required) {
            why.clear();
            fixture = inState(state, other, {}, why);
        }
        if (!fixture) return writer_.skip(title, why);
        Stage::Render literal = writer_.literals(stage_, fixture);
        writer_.rows(stage_, literal);
        writer_.check(refused("SELECT " + plainCall(literal), title), title);
        for (const std::string& to : entity_.spec->states ? reached : std::set<std::string>()) {
            if (isAllowed(other, to)) continue;
            const std::string update = name_ + ": no update makes " + other + " " + to;
            writer_.check(refused("UPDATE " + quoteName(entity_.schema, entity_.table) + " SET " + quoteName(column) +
                                      " = " + quoteLiteral(to) + " WHERE " + quoteName(entity_.key) + " = " +
                                      literal(stage_.dimension({Place::context(0), entity_.key})),
                                  update),
                          update);
        }
    }

    // --- what a call leaves ------------------------------------------------------------------------------------------

    std::string shownCondition(const Arm& arm) const {
        std::vector<std::string> parts;
        for (const Arm::Part& part : arm.parts)
            if (!part.validate)
                parts.push_back((part.negated ? "not " : "") +
                                commentText(writer_.world.expressionText(part.condition->expression)));
        return parts.empty() ? arm.label : arm.label + ": " + join(parts, ", and ");
    }

    void effects(const Way& one) {
        writer_.begin(action_.info->name() + ": " + shownCondition(one.arm));
        if (!one.fixture) return writer_.skip(one.arm.label + " does its steps", one.why);
        const Stage::Render others = writer_.literals(stage_, one.fixture),
                            literal = writer_.literals(stage_, one.fixture);
        const std::vector<Bystander> alone = bystanders(writer_, stage_, one.arm, literal, others);
        writer_.rows(stage_, literal);
        Reference wanted = reference(literal);
        for (const Bystander& row : alone)
            wanted.watch(row.place, row.query);
        writer_.compare(stage_, wanted, call(literal), "");
        writer_.fixture(call(literal));
        std::set<std::string> said;
        for (const resolve::ResolvedStep* step : effective(one.arm.steps)) {
            const std::string title = stepTitle(writer_.world, one.arm, *step);
            if (said.insert(title).second) writer_.checkStep(stage_, wanted, *step, title);
        }
        for (const Bystander& row : alone)
            writer_.checkPlaces({row.place}, row.title);
    }

    void boundaries(const Way& one) {
        for (const Arm::Part& part : one.arm.parts) {
            if (one.condition.empty() || !tested_.insert({part.condition, part.negated}).second) continue;
            const std::string& text = writer_.world.expressionText(part.condition->expression);
            for (const spec::Atom& atom : spec::readCondition(text).atoms)
                boundary(one, part, atom, commentText(text.substr(atom.begin, atom.end - atom.begin)));
        }
    }

    void boundary(const Way& one, const Arm::Part& part, const spec::Atom& atom, const std::string& shown) {
        writer_.begin(action_.info->name() + ": " + one.arm.label + ", both sides of " + shown);
        std::vector<std::string> telling = stage_.wheres(one.arm), changes = stage_.telling(one.arm);
        telling.insert(telling.end(), changes.begin(), changes.end());
        const Sides sides =
            writer_.bothSides(stage_, one.arm, one.condition, *part.condition, atom, asked(nullptr), telling);
        const bool refuses = part.validate != nullptr;
        for (const auto& [inside, outside] : sides.pairs) {
            const std::string in = valuesOf(writer_, stage_, *part.condition, atom, inside);
            const std::string out = valuesOf(writer_, stage_, *part.condition, atom, outside);
            side(one, inside, (refuses ? " is accepted at " : " is done at ") + in);
            side(one, outside, (refuses ? " is refused at " : " is not done at ") + out);
        }
        if (!sides.why.empty()) writer_.skip(one.arm.label + " on both sides of " + shown, sides.why);
    }

    void side(const Way& one, const Fixture& fixture, const std::string& words) {
        const std::string description = one.arm.label + words;
        if (!sides_.insert(description).second) return;
        Stage::Render literal = writer_.literals(stage_, fixture);
        Reference wanted = reference(literal);
        writer_.rows(stage_, literal);
        writer_.checkAll(stage_, wanted, call(literal), "", description);
    }

    Writer& writer_;
    resolve::ResolvedAction action_;
    const resolve::EntityInfo& entity_;
    std::string name_;
    Stage stage_;
    std::vector<Way> ways_;
    std::set<std::pair<const resolve::BoundExpression*, bool>> tested_;
    std::set<std::string> sides_;
};

}  // namespace

void writeCalled(Writer& writer, const resolve::ResolvedAction& action) {
    Called(writer, action).write();
}

}  // namespace specql::testgen
