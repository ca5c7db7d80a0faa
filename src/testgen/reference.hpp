// What an action must do for one event, as a reference: its sentences in order, a plain statement each, with the values
// of the test where the spec has names. It shares nothing with the generated handler but the text of expressions.
#pragma once

#include <map>
#include <set>
#include <string>

#include "testgen/stage.hpp"

namespace specql::testgen {

class Reference {
public:
    // Of the stage's action, unless another is told: what is done with the answer to a call of it.
    Reference(const resolve::World& world, const resolve::Resolver& resolver, const Stage& stage,
              const Stage::Render& literal, const resolve::ResolvedAction* told = nullptr);

    const resolve::ResolvedAction& action() const { return told_; }

    // Places beside those of the steps: the message of a `validate` that refused the event, what a bulk operation
    // returned.
    static constexpr const char* refusal = "refusal";
    static constexpr const char* returned = "returned";

    // The sentences, as a statement to run when the event has happened and its handler has been kept from it.
    const std::string& statement() const { return statement_; }
    // Where what a step does is seen: "inventory.product", "notify sales_team". None, and why, if a test cannot see it.
    std::set<std::string> places(const resolve::ResolvedStep& step, std::string& why) const;
    // Another place to look at: a query that gives a jsonb for each row that is there.
    void watch(const std::string& place, const std::string& query) { queries_[place] = query; }
    // What another event makes happen, of which the same is looked at.
    void append(const Reference& next) { statement_ += ";\n" + next.statement_; }
    void doNothing() { statement_ = "DO 'BEGIN END'"; }
    // SQL of a jsonb that has for each place, or for each of these, the query of what is there.
    std::string queries(const std::set<std::string>& places = {}) const;
    bool seesNothing() const { return queries_.empty(); }

private:
    void lookAtTable(const resolve::EntityInfo& entity);
    // What a step would do cannot be written: nothing can be said of the places where it would be seen.
    void give(const resolve::ResolvedStep& step, const std::string& why);

    std::string block(const std::vector<resolve::ResolvedStep>& steps);
    std::string sentence(const resolve::ResolvedStep& step, std::string& why);
    std::string insert(const resolve::ResolvedStep& step, std::string& why);
    std::string update(const resolve::ResolvedStep& step, std::string& why);
    std::string take(const resolve::ResolvedStep& step, const std::vector<resolve::ResolvedStep>& behind,
                     std::string& why);
    std::string upsert(const resolve::ResolvedStep& step, std::string& why);
    std::string let(const resolve::ResolvedStep& step, std::string& why);
    std::string find(const resolve::ResolvedStep& step, std::string& why);
    std::string each(const resolve::ResolvedStep& step, std::string& why);
    // FROM, WHERE, ORDER BY and LIMIT of rows that a step looks for.
    std::string looked(const resolve::ResolvedStep& step, std::string& why) const;
    std::string queue(const std::string& function, const resolve::ResolvedStep& step, std::string& why) const;
    std::vector<std::string> printed(const std::vector<resolve::BoundExpression>& values, std::string& why) const;
    std::string emit(const resolve::ResolvedStep& step, std::string& why);
    std::string call(const resolve::ResolvedStep& step, std::string& why);
    std::string validate(const resolve::ResolvedStep& step, std::string& why);
    std::string foreach (const resolve::ResolvedStep& step, std::string & why);
    std::string choice(const resolve::BoundExpression& condition, const std::vector<resolve::ResolvedStep>& then,
                       const std::vector<resolve::ResolvedStep>& otherwise);
    std::string print(const resolve::BoundExpression& bound, std::string& why) const;
    std::string value(const resolve::Value& value, std::string& why) const;
    std::string assigned(const resolve::ResolvedStep& step, const resolve::BoundAssignment& assignment,
                         std::string& why) const;
    std::string assignments(const resolve::ResolvedStep& step, std::string& why) const;
    std::string eventData() const;
    // Rows that an answer leads to, as they are when it has come, each in a variable.
    std::string readWays();

    const resolve::World& world_;
    const resolve::Resolver& resolver_;
    const Stage& stage_;
    const Stage::Render& literal_;
    const resolve::ResolvedAction& told_;
    std::string statement_;
    std::set<std::string> variables_;  // of loops, as they are declared
    bool validates_ = false;
    const resolve::EntityInfo* newRow_ = nullptr;      // whose defaults stand for the columns of the target
    std::set<std::string> unknown_;                    // names that steps give to what no test knows
    bool taken_ = false;                               // the steps at hand are done for each row that was taken
    std::map<std::string, std::string> queries_;       // by place
    std::map<std::string, std::string> unclear_;       // by place: why nothing is known of it
    std::set<const resolve::EntityInfo*> keysChosen_;  // tables that get rows whose key the spec does not say
};

}  // namespace specql::testgen
