// Which rows and values a test of an action needs: gone through once, sentence by sentence.
#pragma once

#include "testgen/meaning.hpp"

namespace specql::testgen {

class Needs {
public:
    explicit Needs(Meaning& meaning)
        : meaning_(meaning), scenario_(meaning.scenario), action_(meaning.action), operation_(meaning.operation) {}

    void find();

    // The dimension of a value, made when it is met first; -1 if it has none of its own. `condition`: what reads it.
    int use(const resolve::Value& value, const Scope& scope, const spec::ConditionText* condition = nullptr);
    // All that a condition reads, or that another expression only mentions.
    void read(const resolve::BoundExpression& condition, const Scope& scope);
    void mention(const resolve::BoundExpression& bound, const Scope& scope);
    // Rows that queries in an expression find, if the test can have such.
    void look(const resolve::BoundExpression& bound, const Scope& scope);
    // A key of the payload; what is said by it is unlike what others say.
    void key(const std::string& name, const std::string& type);

private:
    // Columns of the event's row of which old and new values differ.
    void splitColumns();
    void touchColumn();
    void steps(const std::vector<resolve::ResolvedStep>& steps, Place element);
    void loop(const resolve::ResolvedStep& step);
    void called(const resolve::ResolvedStep& step);
    Scope target(const resolve::ResolvedStep& step, Place element);
    Place rowOfKey(const resolve::ResolvedStep& step, const Scope& scope);
    void written(const resolve::ResolvedStep& step, const Scope& scope);
    // `product_id = product_id`: both sides are one dimension.
    void chooseWord(const resolve::ResolvedStep& step, const resolve::BoundAssignment& assignment, const Scope& scope);
    void unify(const resolve::BoundExpression& where, const Scope& scope);
    // What a listener hands to a window: keys, and values on both sides of the term's number.
    void feed(const resolve::FeedTerm& feed);

    void rows();
    bool isEventKey(const std::string& column) const;
    void eventRow();
    void states(const resolve::EntityInfo& entity);
    int row(Place place, const resolve::EntityInfo& entity);
    int column(Place place, const TestTable& table, const std::string& name);
    std::map<std::string, int> named(std::initializer_list<Place> places) const;
    // Rows that an inserted row will refer to.
    void parents(const resolve::ResolvedStep& step, const Scope& scope);

    Meaning& meaning_;
    Scenario& scenario_;
    const resolve::ResolvedAction& action_;
    const unsigned operation_;
    std::map<Place, const resolve::EntityInfo*> looked_;
    std::string touched_;  // a column that changes only so that an update is one; often none is needed
};

}  // namespace specql::testgen
