// The statements of a suite as they are written; shared by the writers of the patterns.
#pragma once

#include <string>
#include <vector>

#include "testgen/effects.hpp"
#include "testgen/reference.hpp"
#include "testgen/suite.hpp"

namespace specql::testgen {

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
    // A number that no other part of the suite gets.
    int next() { return ++numbers_; }
    void fixture(const std::string& sql) { add(StatementKind::fixture, sql, ""); }
    void fixture(const std::vector<std::string>& statements);
    // The rows that a stage needs; the trial sees whether they are there as they were written.
    void rows(const Stage& stage, const Stage::Render& literal);
    void restore(const std::vector<std::string>& statements) {
        for (const std::string& sql : statements)
            add(StatementKind::restore, sql, "");
    }
    void step(const std::string& sql) { add(StatementKind::step, sql, ""); }
    // The event itself, as a statement of the stage.
    void fire(const Stage& stage, const std::string& sql, const Stage::Render& literal);
    // The same for the trial alone, where the test itself sets the event off in another way.
    void rehearse(const Stage& stage, const std::string& sql, const Stage::Render& literal);
    // What the tables hold after `script`, compared with what they hold when the handler is kept from the same and the
    // reference does its work: all in a subtransaction each, before the event itself. Checks of places may follow.
    void compare(const Stage& stage, const Reference& reference, const std::string& script, const std::string& fire);
    // What a step does is there as the reference says; skipped if nothing shows it.
    void checkStep(const Stage& stage, const Reference& reference, const resolve::ResolvedStep& step,
                   const Stage::Render& literal, const std::string& description);
    // The same in one check, of everything that the action writes.
    void checkAll(const Stage& stage, const Reference& reference, const std::string& script, const std::string& fire,
                  const std::string& description);
    // Before the event: one at least of the steps must show, else the check says nothing.
    void mustShow(const Stage& stage, const Reference& reference, const std::string& fire,
                  const std::vector<const resolve::ResolvedStep*>& steps, const std::string& check);
    // After the event: others may have written what a step writes, or before it did. The check is left out then.
    void doubtOthers(const Stage& stage, const resolve::ResolvedStep& step, const Stage::Render& literal, bool fired,
                     const std::string& check);
    // After the event: why there may have been more than one.
    void doubtNumber(const Stage& stage, const Stage::Render& literal, const std::string& check);
    void check(const std::string& call, const std::string& description) {
        add(StatementKind::check, call, description);
    }
    void skip(const std::string& description, const std::string& reason) {
        add(StatementKind::skip, reason, description);
    }

    // Asks for values of all dimensions; none if nothing fits, and why in `why`. `strictly`: not even values that other
    // actions refuse, as far as is known.
    Fixture find(const Stage& stage, const std::vector<std::string>& conditions, const std::vector<std::string>& asked,
                 const Focus& focus, std::string& why, bool strictly = false);
    // Two fixtures on both sides of an atom. Only if there are none otherwise the value before a change may be another
    // too: where there are two values, one of them is always the old one.
    bool findPair(const Stage& stage, const std::string& condition, const std::string& atom,
                  const std::vector<std::string>& asked, const std::set<int>& varied, bool greater, const Focus& focus,
                  Fixture& inside, Fixture& outside, const std::vector<std::string>& demands = {});

    // How a fixture's values are written. Each call gives rows of their own: keys that no other has.
    Stage::Render literals(const Stage& stage, const Fixture& fixture);

    void add(StatementKind kind, const std::string& sql, const std::string& description);
    // The answer to a query of one row; null as long as it is not known.
    const SearchAnswer* ask(const std::string& sql);
    bool pending() const { return !suite.searches.empty(); }
    // A number that makes values unlike all others.
    int fresh() { return ++instance_ * 100; }

private:
    std::map<std::string, const SearchAnswer*> answers_;
    int test_ = 0;
    std::string title_;
    Tested tested_;
    int instance_ = 0, numbers_ = 0;
};

// The handler of an action is put aside while it is tested what happens if it fails.
std::vector<std::string> breakHandler(const resolve::ResolvedAction& action, const std::string& body);
std::vector<std::string> mendHandler(const resolve::ResolvedAction& action);

// After an event, whose effects have been looked at: processed_at of the rows that tell of it.
void writeProcessed(Writer& writer, const Stage& stage, const Arm& arm, const Stage::Render& literal);
void writeEventDriven(Writer& writer, const resolve::ResolvedAction& action);
// Tests that a suite has once: consistency and the end of cascades, with an action that can be set off.
void writeConsistency(Writer& writer, const std::vector<const resolve::ResolvedAction*>& actions);
void writeCascade(Writer& writer, const std::vector<const resolve::ResolvedAction*>& actions);
void writeBulk(Writer& writer, const resolve::ResolvedAction& action);
void writeWindow(Writer& writer, const resolve::ResolvedAction& action);

// The operations that set an action off: bits of Op; 0 for a custom event.
std::vector<unsigned> operationsOf(const resolve::ResolvedAction& action);
// Arms with the names that tests call them by.
std::vector<Arm> namedArms(const resolve::World& world, const resolve::ResolvedAction& action);

}  // namespace specql::testgen
