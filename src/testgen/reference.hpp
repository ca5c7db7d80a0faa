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
    Reference(const resolve::World& world, const resolve::Resolver& resolver, const Stage& stage,
              const Stage::Render& literal);

    // Stands where a value would that no test has chosen.
    static constexpr const char* unknown = "specql_unknown";

    // The sentences, as a statement to run when the event has happened and its handler has been kept from it.
    const std::string& statement() const { return statement_; }
    // Where what a step does is seen: "inventory.product", "notify sales_team". None, and why, if a test cannot see it.
    std::set<std::string> places(const resolve::ResolvedStep& step, std::string& why) const;
    // SQL of a jsonb that has for each place the query of what is there.
    std::string queries() const;
    bool seesNothing() const { return queries_.empty(); }

private:
    void look(const std::vector<resolve::ResolvedStep>& steps);
    void lookAt(const resolve::EntityInfo& entity);
    void lookAtTable(const resolve::ResolvedStep& step);
    std::set<std::string> placesOf(const resolve::ResolvedStep& step) const;
    // What a step would do cannot be written: nothing can be said of the places where it would be seen.
    void give(const resolve::ResolvedStep& step, const std::string& why);

    std::string block(const std::vector<resolve::ResolvedStep>& steps);
    std::string sentence(const resolve::ResolvedStep& step, std::string& why);
    std::string insert(const resolve::ResolvedStep& step, std::string& why);
    std::string update(const resolve::ResolvedStep& step, std::string& why);
    std::string queue(const std::string& function, const resolve::ResolvedStep& step) const;
    std::string emit(const resolve::ResolvedStep& step, std::string& why);
    std::string call(const resolve::ResolvedStep& step, std::string& why);
    std::string foreach (const resolve::ResolvedStep& step, std::string & why);
    std::string choice(const resolve::BoundExpression& condition, const std::vector<resolve::ResolvedStep>& then,
                       const std::vector<resolve::ResolvedStep>& otherwise);
    std::string print(const resolve::BoundExpression& bound, std::string& why) const;
    std::string value(const resolve::Value& value, std::string& why) const;
    std::string assigned(const resolve::ResolvedStep& step, const resolve::BoundAssignment& assignment,
                         std::string& why) const;
    std::string eventData() const;

    const resolve::World& world_;
    const resolve::Resolver& resolver_;
    const Stage& stage_;
    const Stage::Render& literal_;
    std::string statement_;
    std::set<std::string> variables_;  // of loops, as they are declared
    bool validates_ = false;
    std::map<std::string, std::string> queries_;        // by place
    std::map<std::string, std::string> unclear_;        // by place: why nothing is known of it
    std::map<const resolve::EntityInfo*, bool> keyed_;  // tables that steps insert into: whether all set the key
};

}  // namespace specql::testgen
