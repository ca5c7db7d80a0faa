// The statements of a suite as they are written; shared by the writers of the patterns.
#pragma once

#include <string>
#include <vector>

#include "testgen/reference.hpp"
#include "testgen/suite.hpp"

namespace specql::testgen {

struct Sides {
    std::vector<std::pair<Fixture, Fixture>> pairs;  // inside, outside
    std::string why;
};

class Writer {
public:
    Writer(const resolve::World& world, const resolve::Resolver& resolver, const TestTables& tables,
           const std::vector<SearchAnswer>& answers)
        : world(world), resolver(resolver), tables(tables) {
        for (const SearchAnswer& answer : answers)
            answers_[answer.search] = &answer;
    }

    const resolve::World& world;
    const resolve::Resolver& resolver;
    const TestTables& tables;
    WrittenSuite suite;
    bool failureShown = false;  // the sentence about failures has been used

    // Errors that come from this action fail the tests that follow, those of others make them be skipped.
    void about(const resolve::ResolvedAction& action);
    void begin(const std::string& title);
    // Why an action does nothing at present, though the spec does not say so; empty if it does.
    std::string isStopped(const resolve::ResolvedAction& action);

    // --- statements --------------------------------------------------------------------------------------------------

    void add(StatementKind kind, const std::string& sql, const std::string& description = "");
    void fixture(const std::string& sql) { add(StatementKind::fixture, sql); }
    void fixture(const std::vector<std::string>& statements);
    // The rows that a stage needs; the trial sees whether they are there as they were written.
    void rows(const Stage& stage, const Stage::Render& literal);
    void restore(const std::vector<std::string>& statements);
    void step(const std::string& sql) { add(StatementKind::step, sql); }
    void step(const std::vector<std::string>& statements);
    // The event itself, as a statement of the stage.
    void fire(const Stage& stage, const std::string& sql, const Stage::Render& literal);
    // The same for the trial alone, where the test itself sets the event off in another way.
    void rehearse(const Stage& stage, const std::string& sql, const Stage::Render& literal);
    // The event must not have failed, unless the tested action itself is to blame.
    void guard(const Stage& stage, const Stage::Render& literal);
    void excuse(const std::string& query, const std::string& check = "") { add(StatementKind::excuse, query, check); }
    void check(const std::string& call, const std::string& description) {
        add(StatementKind::check, call, description);
    }
    void checkCount(const std::string& query, int wanted, const std::string& description);
    void skip(const std::string& description, const std::string& reason) {
        add(StatementKind::skip, reason, description);
    }

    // --- the reference -----------------------------------------------------------------------------------------------

    // What the tables hold after `script`, compared with what they hold when the handler is kept from `fire` and the
    // reference does its work: all in a subtransaction each, before the event itself. Checks of places may follow. No
    // `fire`: the script sets no handler off.
    void compare(const Stage& stage, const Reference& reference, const std::string& script, const std::string& fire);
    // What a step does is there as the reference says; skipped if nothing shows it.
    void checkStep(const Stage& stage, const Reference& reference, const resolve::ResolvedStep& step,
                   const std::string& description);
    void checkPlaces(const std::set<std::string>& places, const std::string& description);
    // The same in one check: of everything, or of these places alone.
    void checkAll(const Stage& stage, const Reference& reference, const std::string& script, const std::string& fire,
                  const std::string& description, const std::string& queries = "");
    // Before the event: one at least of the steps must show, else the check says nothing.
    void mustShow(const Stage& stage, const Reference& reference, const std::string& fire,
                  const std::vector<const resolve::ResolvedStep*>& steps, const std::string& check);
    // Of steps that fail (failingBody): tried again they do what they would have done, which the first of them that
    // shows tells. `event` makes the handler run, `failures` finds what was recorded, under the alias f.
    void checkRetried(const Stage& stage, const Reference& reference, const Arm& arm,
                      const std::vector<const resolve::ResolvedStep*>& steps, const std::string& event,
                      const std::string& failures);
    // After the event, with the handler as it was: the failure is recorded with its message, and can be tried again.
    void checkFailed(const resolve::ResolvedAction& action, const std::string& failures,
                     const std::string& description);
    // After the event: others may have written what a step writes, or there were more events than these.
    void doubt(const Stage& stage, const resolve::ResolvedStep* step, const std::string& check, int events = 1);

    // --- values ------------------------------------------------------------------------------------------------------

    // Asks for values of all dimensions; none if nothing fits, and why in `why`. `strictly`: not even values that other
    // actions refuse, as far as is known.
    Fixture find(const Stage& stage, const std::vector<std::string>& conditions, const std::vector<std::string>& asked,
                 const Focus& focus, std::string& why, bool strictly = false);
    // Two fixtures on both sides of an atom. Only if there are none otherwise the value before a change may be another
    // too: where there are two values, one of them is always the old one.
    bool findPair(const Stage& stage, const std::string& condition, const std::string& atom,
                  const std::vector<std::string>& asked, const std::set<int>& varied, bool greater, const Focus& focus,
                  Fixture& inside, Fixture& outside, const std::vector<std::string>& demands = {});
    // Values on both sides of an atom that differ in one that it reads: all that an arm demands (`condition`) only just
    // holds for them, and only just does not. `bound` is the part of it that has the atom; `telling` shall hold too, if
    // that can be. None, and why, unless the atom is a constant.
    Sides bothSides(const Stage& stage, const Arm& arm, const std::string& condition,
                    const resolve::BoundExpression& bound, const spec::Atom& atom,
                    const std::vector<std::string>& asked, const std::vector<std::string>& telling = {});
    // How a fixture's values are written. Each call gives rows of their own: keys that no other has.
    Stage::Render literals(const Stage& stage, const Fixture& fixture);

    // The answer to a query of one row; null as long as it is not known.
    const SearchAnswer* ask(const std::string& sql);
    bool pending() const { return !suite.searches.empty(); }
    // A number that makes values unlike all others.
    int fresh() { return ++instance_ * 100; }

private:
    void event(const Stage& stage, const std::string& sql, const Stage::Render& literal, StatementKind kind);

    std::map<std::string, const SearchAnswer*> answers_;
    int test_ = 0;
    std::string title_;
    Tested tested_;
    int instance_ = 0;
};

// The handler of an action is put aside while it is tested what happens if it fails.
std::vector<std::string> breakHandler(const resolve::ResolvedAction& action, const std::string& body);
std::vector<std::string> mendHandler(const resolve::ResolvedAction& action);

constexpr const char* failingMessage = "broken by a test";
constexpr const char* failingBody = "RAISE EXCEPTION 'broken by a test';";

// Values of the names in an atom: "new_stock = 10, reorder_point = 10".
std::string valuesOf(const Writer& writer, const Stage& stage, const resolve::BoundExpression& bound,
                     const spec::Atom& atom, const Fixture& fixture);

// A row that a step does not mean: what its check is called, its place among what is compared, and a query of it.
struct Bystander {
    Bystander(const std::string& title, const resolve::EntityInfo& entity, const std::string& key);
    std::string title, place, query;
};
// Before the event: rows like those that the steps of an arm are about, with keys of their own. `mine` are the values
// of the event itself.
std::vector<Bystander> bystanders(Writer& writer, const Stage& stage, const Arm& arm, const Stage::Render& mine,
                                  const Stage::Render& others);

// What a test does with one fixture: its rows, the event, and what of it remains if the handler is put aside.
struct Play {
    std::function<void(const Stage::Render&)> plant;
    std::function<std::string(const Stage::Render&)> script, fire;
};
// Tests of their own: for each part of a step's WHERE a row for which it does not hold, and all else does. `condition`
// holds for the event; `row` of the scenario is what the step is about.
void writeStrangers(Writer& writer, const Stage& stage, const resolve::ResolvedStep& step, Place own, int row,
                    const std::string& label, const std::string& condition, const Focus& focus, const Play& play);

// After an event, whose effects have been looked at: processed_at of the rows that tell of it.
void writeProcessed(Writer& writer, const Stage& stage, const Arm& arm, const Stage::Render& literal);
// After an event: what is private of its row is neither in the log nor in what leaves.
void writePrivate(Writer& writer, const Stage& stage, const std::string& label, const Stage::Render& literal);
// Tests of their own: the calls of an action are answered. `operation` raises its event.
void writeAnswers(Writer& writer, const resolve::ResolvedAction& action, unsigned operation);
void writeEventDriven(Writer& writer, const resolve::ResolvedAction& action);
// Tests that a suite has once: consistency and the end of cascades, with an action that can be set off.
void writeConsistency(Writer& writer, const std::vector<const resolve::ResolvedAction*>& actions);
void writeCascade(Writer& writer, const std::vector<const resolve::ResolvedAction*>& actions);
// A rule that runs before a row is written.
void writeBefore(Writer& writer, const resolve::ResolvedAction& action);
// A function of a row: a transition or a workflow.
void writeCalled(Writer& writer, const resolve::ResolvedAction& action);
void writeSaga(Writer& writer, const resolve::ResolvedAction& action);
void writeBulk(Writer& writer, const resolve::ResolvedAction& action);
void writeCoordinated(Writer& writer, const resolve::ResolvedAction& action);
void writeWindow(Writer& writer, const resolve::ResolvedAction& action);

}  // namespace specql::testgen
