// Everything that one action needs to be set off in a test, by one operation: its rows and its event as SQL, and what a
// search for their values is about.
#pragma once

#include "testgen/meaning.hpp"
#include "testgen/search.hpp"

namespace specql::testgen {

class Stage : public Meaning {
public:
    using Render = testgen::Render;

    Stage(const resolve::World& world, const resolve::Resolver& resolver, const TestTables& tables,
          const resolve::ResolvedAction& action, unsigned operation, std::vector<std::string> answers = {});

    std::string unfit;  // why no test can be made; empty if one can

    // What a search for values of an arm is about: everything that its conditions, its steps' WHERE and the demands on
    // them read.
    Focus focus(const Arm& arm) const;
    // What one condition reads: the values that it speaks of come first.
    void focusOn(const resolve::BoundExpression& bound, const Scope& scope, Focus& focus) const;
    // As conditions of a search: what the steps' WHERE demand of their rows.
    std::vector<std::string> wheres(const Arm& arm) const;
    // The same, for values that show what the steps do: rows become others, and an if holds for one element only.
    std::vector<std::string> telling(const Arm& arm) const;
    // That the queries in an expression find the rows that the test has for them.
    std::vector<std::string> findings(const resolve::BoundExpression& bound, const Scope& scope) const;
    // That a row is not before what an update makes of it; empty if the values of the test do not say that.
    std::string changes(const resolve::ResolvedStep& step, const Scope& scope) const;
    // Old values of columns whose new ones are among `dimensions`, unless they are among them too.
    std::set<int> before(const std::set<int>& dimensions) const;

    // Whether a step's WHERE, if it has one, tells its row from others like it.
    bool meansOne(const resolve::ResolvedStep& step, const Scope& scope) const;
    // The row of a place, or -1.
    int rowOf(Place place) const;
    // Whether a column's value in the row of a place has another name too.
    bool isShared(Place place, const std::string& column) const;

    // Insert what must be there before.
    std::vector<std::string> fixture(const Render& literal) const;
    // For each row of the fixture a condition: it is there as it was written.
    std::vector<std::string> rowsThere(const Render& literal) const;
    std::string fire(const Render& literal) const;
    // Raises an event that has a payload.
    static std::string raise(const resolve::ResolvedAction& action, const std::string& payload);
    // The event's row is as the event has left it.
    std::string eventDone(const Render& literal) const;
    // A row like one of the scenario, without an event of its own; `other` has values of columns that differ.
    std::vector<std::string> quietRow(int row, const Render& literal,
                                      const std::map<std::string, std::string>& other = {}) const;
    // Statements that make the tables capture nothing.
    std::string unheard(const std::vector<const TestTable*>& tables) const;

private:
    std::string insert(int row, const Render& literal, const std::map<std::string, std::string>& other = {}) const;
    // Whether its rows have states, of which a new one is in the first.
    bool hasStates(const TestTable& table) const;
    // Inserting the rows of a test is no event: tables whose actions listen to that do not capture meanwhile, nor do
    // rules change them before, or states ask that a new one be in the first.
    std::vector<std::string> quietly(std::vector<std::string> statements, const std::set<int>& rows) const;
    // Rows that the fixture inserts: not one that the event brings.
    std::vector<int> planted() const;
    std::string isThere(int row, const Render& literal) const;
    // Whether any action listens to one of these operations on a table.
    bool isHeard(const TestTable& table, unsigned operations) const;
};

}  // namespace specql::testgen
