// Everything that one action needs to be set off in a test, by one operation: rows, payload and what its names mean.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "testgen/arm.hpp"
#include "testgen/scenario.hpp"

namespace specql::testgen {

// Rows that a bulk operation handles: of the action itself, or of one that a step calls.
struct Allocation {
    const resolve::ResolvedStep* step = nullptr;    // the update or delete
    const resolve::ResolvedAction* bulk = nullptr;  // whose it is
    const resolve::ResolvedStep* caller = nullptr;  // null if it is the stage's own action
    std::map<std::string, Name> params;             // called: parameter → name of a dimension
    int row = -1;                                   // of scenario.rows: what all these rows have in common
    size_t firstOwn = 0;                            // dimensions from here on are of these rows only
};

// What an action handles that no statement of the test raises by itself: a match.
struct Outside {
    std::function<std::string(const resolve::Value&)> value;  // SQL; empty if it does not say that
    std::function<std::string(const std::string&)> event;     // WHERE of specql.events under an alias
    std::string data;                                         // SQL of its payload
};

class Stage {
public:
    // `operation` of a row event; 0 for a custom one.
    Stage(const resolve::World& world, const resolve::Resolver& resolver, const TestTables& tables,
          const resolve::ResolvedAction& action, unsigned operation);

    using Render = std::function<std::string(int dimension)>;

    // The SQL of an expression; false, and why, if a test cannot know its value. `own`: the place of the target's row,
    // whose columns may stand in it by their bare names.
    bool print(const resolve::BoundExpression& bound, const Render& render, Place own, std::string& sql,
               std::string& why) const;
    bool printValue(const resolve::Value& value, const Render& render, std::string& sql, std::string& why,
                    Place own = {}) const;
    bool printSlice(const resolve::BoundExpression& bound, size_t begin, size_t end, const Render& render,
                    std::string& sql, std::string& why, Place own = {}) const;
    // Which rows a step that updates or deletes is about, over an alias of its table.
    bool rowCondition(const resolve::ResolvedStep& step, const Render& render, const std::string& alias,
                      std::string& sql, std::string& why) const;
    // All conditions of an arm; "true" if it has none.
    bool condition(const Arm& arm, const Render& render, std::string& sql, std::string& why) const;
    // What a search for values of an arm is about: everything that its conditions and its steps' WHERE read.
    Focus focus(const Arm& arm) const;
    void focusOn(const resolve::BoundExpression& bound, Place own, Focus& focus) const;
    // Dimensions that a part of an expression reads.
    std::set<int> dimensionsOf(const resolve::BoundExpression& bound, size_t begin, size_t end, Place own = {}) const;

    // Old values of columns whose new ones are among `dimensions`, unless they are among them too.
    std::set<int> before(const std::set<int>& dimensions) const;

    // The loop of a foreach step among loops_; -1 if its array is not understood. Names in its steps mean one element
    // while an Element is alive. `isEmptied`: the fixture's array has no elements.
    int loopOf(const resolve::ResolvedStep& step) const;
    bool isEmptied(int loop, const Render& literal) const;
    class Element {
    public:
        Element(const Stage& stage, int loop, int element) : stage_(stage) {
            stage_.loop_ = loop;
            stage_.element_ = element;
        }
        ~Element() {
            stage_.loop_ = -1;
            stage_.element_ = 0;
        }
        Element(const Element&) = delete;
        Element& operator=(const Element&) = delete;

    private:
        const Stage& stage_;
    };

    // As conditions of a search: what the steps' WHERE demand of their rows, and that a row becomes another one.
    std::vector<std::string> wheres(const Arm& arm) const;
    std::string changes(const resolve::ResolvedStep& step, Place own, Focus& focus) const;

    // Whether a step's WHERE, if it has one, tells its row from others like it.
    bool meansOne(const resolve::ResolvedStep& step, Place own) const;
    // Where a step's target row is: none if there is no such row.
    Place ownOf(const resolve::ResolvedStep& step) const;
    // The row of that place, or -1.
    int rowOf(Place own) const;
    int dimension(const Name& name) const;

    // Whether a column's value in the row of a place has another name too.
    bool isShared(Place own, const std::string& column) const;
    const TestTable* tableOf(const resolve::EntityInfo& entity) const;
    const TestTable* eventTable() const;  // null for a custom event

    // Insert what must be there before, make the event happen, name the row it is about.
    std::vector<std::string> fixture(const Render& literal) const;
    // For each row of the fixture a condition: it is there as it was written.
    std::vector<std::string> rowsThere(const Render& literal) const;
    // The event's row is as the event has left it.
    std::string eventDone(const Render& literal) const;
    // A row like one of the scenario, without an event of its own.
    std::vector<std::string> quietRow(int row, const Render& literal) const;
    std::vector<std::string> quietRow(int row, const std::function<std::string(const std::string&)>& cell) const;
    // Statements that make the tables capture nothing.
    std::string unheard(const std::vector<const TestTable*>& tables) const;
    std::string fire(const Render& literal) const;
    std::string insertRow(int row, const Render& literal) const;
    std::string payload(const Render& literal) const;
    std::string subject(const Render& literal) const;  // SQL text literal; empty for custom events
    // WHERE of specql.events for the event that was fired.
    std::string eventCondition(const Render& literal, const std::string& alias) const;

    // One row that an allocation will meet; `other` replaces values by column.
    std::vector<std::string> allocationRow(const Allocation& allocation, const Render& literal,
                                           const std::map<std::string, std::string>& other) const;

    Scenario scenario;
    std::string unfit;
    // Handlers of other actions that cannot refuse what this one writes, if values satisfy scenario.rules.
    std::vector<std::string> contented;
    std::vector<Allocation> allocations;
    std::optional<Outside> outside;
    std::set<int> present;  // rows that are there without the fixture
    const resolve::ResolvedAction& action;
    const unsigned operation;

private:
    // What an action with `on_error: abort` demands of the event itself, or of what a step writes.
    struct Demand {
        Invariant invariant;
        std::vector<resolve::BoundExpression> when;  // the invariant's conditions, with the names of this stage
        resolve::BoundExpression holds;
        const resolve::ResolvedStep* step = nullptr;  // null: the event
        Place own;                                    // the step's target row
    };

    // A foreach, and the dimensions of its array and of the elements.
    struct Loop {
        const resolve::ResolvedStep* step;
        int array;
        std::vector<int> elements;
    };
    // A step with WHERE; in a foreach it has a row for each element.
    struct Targeted {
        const resolve::ResolvedStep* step;
        int loop, element;
    };

    void build(bool demanding);
    void useLoop(const resolve::ResolvedStep& step);  // loops.cpp
    void useKey(const resolve::ResolvedAction& of, const std::string& key);
    // demands.cpp
    void findDemands();
    void splitChanging(const Invariant& invariant);
    void findDemandsOfSteps();
    void findDemandsOfStep(const resolve::ResolvedStep& step, Place own);
    void useDemands();
    void stateDemands();
    int contextLike(const resolve::ResolvedAction& other, int which);
    bool adopt(const resolve::ResolvedAction& other, resolve::BoundExpression& bound);
    bool does(const Arm& arm, const Demand& demand) const;
    void focusOnDemands(const Arm& arm, Focus& focus) const;
    std::string changedColumn(const Demand& demand, const std::string& column, bool old, std::string& why) const;
    std::string demandSql(const Demand& demand, size_t part, std::string& why) const;
    bool isContent(const resolve::ResolvedAction& owner, size_t stated) const;

    std::string value(const resolve::Value& value, const Render& render, Place own, std::string& why) const;
    bool isMissing(const resolve::Value& value) const;
    int nameDimension(const resolve::Value& value, Place own) const;
    // The generated column that a value is, and the values that it is made of; null if it is none.
    const TestColumn* generated(const resolve::Value& value, Place own, std::vector<resolve::Value>& parts) const;
    // The new value and the old one that a change is between.
    std::vector<resolve::Value> bothSides(const resolve::Value& change) const;
    void addDimensions(const resolve::Value& value, Place own, std::set<int>& found) const;
    // Where a column of the event's row stands: old and new values of some differ.
    Place eventPlace(const std::string& column, bool old) const;
    Name nameOf(const resolve::Value& value, Place own) const;
    int use(const resolve::Value& value, Place own, const spec::ConditionText* condition);
    void useAll(const resolve::BoundExpression& bound, Place own, bool essential);
    void useSteps(const std::vector<resolve::ResolvedStep>& steps);
    void useAllocation(Allocation allocation);
    // What a listener hands to a window: keys, and values on both sides of the term's number.
    void useFeed(const resolve::FeedTerm& feed);
    void useAssigned(const resolve::ResolvedStep& step, Place own);
    // `product_id = product_id`: both sides are one dimension.
    void unify(const resolve::BoundExpression& where, Place own);
    const resolve::EntityInfo* entityOf(const resolve::Value& value, Place own) const;
    const Allocation* allocationOf(Place own) const;
    // Inserting the rows of a test is no event: tables whose actions listen to that do not capture meanwhile.
    std::vector<std::string> quietly(std::vector<std::string> statements,
                                     const std::set<const TestTable*>& tables) const;
    std::string insertInto(const PlannedRow& row, const std::function<std::string(const std::string&)>& cell) const;
    void buildRows();
    // An action that listens to any update gets one that changes something.
    void chooseStirred();
    void referenceParents(const std::vector<resolve::ResolvedStep>& steps);
    std::map<std::string, int> given(Place place) const;
    bool isPlanted(int row) const;
    std::string isThere(int row, const Render& literal) const;
    // Whether any action listens to one of these operations on a table.
    bool isHeard(const TestTable& table, unsigned operations) const;

    const resolve::World& world_;
    const resolve::Resolver& resolver_;
    const TestTables& tables_;
    std::set<std::string> split_;  // columns whose old and new values differ
    std::string stirred_;          // a column changed only so that an update is one; often none is needed
    std::vector<Targeted> whereSteps_;
    std::vector<Loop> loops_;
    mutable int loop_ = -1, element_ = 0;
    std::vector<resolve::Context> contexts_;  // the action's, then those of what others demand
    std::vector<Demand> demands_;
    std::map<const resolve::ResolvedAction*, size_t> stated_;  // how many demands of steps are among scenario.rules
    std::vector<Arm> arms_;
    std::map<Place, int> rows_;  // → scenario.rows
};

}  // namespace specql::testgen
