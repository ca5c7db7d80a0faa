// What the names of an action mean in a test: which value of the scenario each of them is, and its SQL.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "testgen/arm.hpp"
#include "testgen/scenario.hpp"
#include "testgen/steps.hpp"

namespace specql::testgen {

// How the value of a dimension is written: as a column of a search, or as a literal of a fixture.
using Render = std::function<std::string(int dimension)>;

// What names mean that are not the event's.
struct Scope {
    Place own;                                        // the row whose columns stand by their bare names
    Place element;                                    // what the variable of a loop is
    const resolve::ResolvedStep* changing = nullptr;  // the event is that this step changes its own row

    Scope() = default;
    Scope(Place own, Place element = {}, const resolve::ResolvedStep* changing = nullptr)
        : own(own), element(element), changing(changing) {}
};

// A step, or one within a loop, in the scope of its names.
struct PlacedStep {
    const resolve::ResolvedStep* step;
    Scope scope;
};

// Rows that a bulk operation handles: of the action itself, or of one that a step calls.
struct Allocation {
    const resolve::ResolvedStep* step = nullptr;    // the update or delete
    const resolve::ResolvedAction* bulk = nullptr;  // whose it is
    const resolve::ResolvedStep* caller = nullptr;  // null if it is the action's own
    std::map<std::string, Name> params = {};        // called: parameter → a value of the caller
    int row = -1;                                   // of scenario.rows: what all these rows have in common
    size_t firstOwn = 0;                            // dimensions from here on are of these rows only
};

// What an action handles that no statement of the test raises by itself: a match.
struct Outside {
    std::function<std::string(const resolve::Value&)> value;  // SQL; empty if it does not say that
    std::function<std::string(const std::string&)> event;     // WHERE of specql.events under an alias
    std::string data;                                         // SQL of its payload
};

class Meaning {
public:
    // `operation` of a row event; 0 for a custom one.
    Meaning(const resolve::World& world, const resolve::Resolver& resolver, const TestTables& tables,
            const resolve::ResolvedAction& action, unsigned operation)
        : world(world),
          resolver(resolver),
          tables(tables),
          action(action),
          operation(operation),
          contexts(action.contexts),
          arms(armsOf(action)) {}

    const resolve::World& world;
    const resolve::Resolver& resolver;
    const TestTables& tables;
    const resolve::ResolvedAction& action;
    const unsigned operation;

    Scenario scenario;
    std::vector<resolve::Context> contexts;  // the action's, then those that others' demands read
    std::vector<Arm> arms;
    std::set<std::string> split;  // columns whose old and new values differ
    std::vector<Allocation> allocations;
    std::set<Place> looked;  // entities that queries look at, of which the test has a row
    // Handlers of other actions that cannot refuse what this one writes, if values satisfy the scenario's rules.
    std::vector<std::string> contented;
    std::optional<Outside> outside;
    std::vector<std::string> answers;  // to calls: payments.charge.succeeded, each to a call of what came before it

    // The SQL of an expression; false, and why, if a test cannot know its value.
    bool print(const resolve::BoundExpression& bound, const Render& render, const Scope& scope, std::string& sql,
               std::string& why) const;
    bool printSlice(const resolve::BoundExpression& bound, size_t begin, size_t end, const Render& render,
                    std::string& sql, std::string& why, const Scope& scope = {}) const;
    bool printValue(const resolve::Value& value, const Render& render, std::string& sql, std::string& why,
                    const Scope& scope = {}) const;
    // All conditions of an arm; "true" if it has none.
    bool condition(const Arm& arm, const Render& render, std::string& sql, std::string& why) const;

    // The steps of an arm; those of a loop for each element, and instead of a call what the called operation does.
    std::vector<PlacedStep> steps(const Arm& arm) const;
    Scope scopeOf(const resolve::ResolvedStep& step, Place element = {}) const;

    int dimension(const Name& name) const;
    int dimension(const resolve::Value& value, const Scope& scope) const { return dimension(nameOf(value, scope)); }
    // Dimensions that a part of an expression reads.
    std::set<int> dimensionsOf(const resolve::BoundExpression& bound, size_t begin, size_t end,
                               const Scope& scope = {}) const;
    std::set<int> dimensionsOf(const resolve::BoundExpression& bound, const Scope& scope = {}) const {
        return dimensionsOf(bound, 0, static_cast<size_t>(-1), scope);
    }
    Name nameOf(const resolve::Value& value, const Scope& scope) const;
    // The values that one is made of: a difference of two, a generated column of those that it is computed from.
    std::vector<resolve::Value> parts(const resolve::Value& value, const Scope& scope) const;
    // A column of the event's row.
    resolve::Value eventColumn(const std::string& column, bool old) const;
    // The table's column that a value stands in; null if it stands in none.
    const TestColumn* columnOf(const resolve::Value& value, const Scope& scope) const;
    const TestTable* tableOf(const resolve::EntityInfo& entity) const {
        return findTable(tables, entity.schema, entity.table);
    }
    const TestTable* eventTable() const;  // null for a custom event
    // The columns by which the event's row is known; none for a custom event.
    std::vector<std::string> eventKey() const;
    // That a row, under an alias if one is given, is the event's.
    std::string isEventRow(const Render& literal, const std::string& alias = "") const;

    std::string payload(const Render& literal) const;
    // WHERE of specql.events for the event that was fired.
    std::string eventCondition(const Render& literal, const std::string& alias) const;

protected:
    friend class Needs;
    friend class Demands;
    // A step that finds its row by WHERE, or handles many; in a loop it has a row for each element.
    struct Target {
        const resolve::ResolvedStep* step;
        Place element, place;
    };
    // A condition that others demand of the event, or of what a step makes of its row.
    struct Demanded {
        resolve::BoundExpression condition;
        Scope scope;
    };

    std::string sql(const resolve::Value& value, const Render& render, const Scope& scope, std::string& why) const;
    // The step that gives a name its value; null if it is a loop.
    const resolve::ResolvedStep* letOf(int local) const;
    std::string ofEvent(const std::string& column, const Render& render) const;
    void placeSteps(const resolve::ResolvedStep& step, Place element, std::vector<PlacedStep>& found) const;
    // Whether it is a column of a row that there is not: the old one of an insertion, the new one of a deletion.
    bool isMissing(const resolve::Value& value) const;
    // Whether that of `answers` says that there is none.
    bool isFailure(int answer) const;
    Place eventPlace(const std::string& column, bool old) const;
    // The row that the test has of what a query looks at, behind FROM: none, if it has none.
    std::string printLooked(const resolve::BoundExpression& bound, size_t table, const Render& render) const;
    const resolve::EntityInfo* entityOf(const resolve::Value& value, const Scope& scope) const;
    const Allocation* allocationOf(Place own) const;

    std::vector<Target> targets_;
    std::vector<const resolve::ResolvedStep*> loops_;
    std::vector<Demanded> demanded_;
};

}  // namespace specql::testgen
