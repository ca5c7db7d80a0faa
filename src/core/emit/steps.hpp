// Steps to statements. The same step is written for a set of events, for one event in a loop, or for the rows that a
// bulk operation took; only where its rows come from differs.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "emit/printer.hpp"
#include "emit/sums.hpp"

namespace specql::emit {

struct StepPlace {
    enum class Rows { set, loop, taken, once } rows = Rows::once;
    std::string from;   // set: "inventory.stock_change_rows(1) AS e"; taken: "unnest(v_handled) AS h", or a loop's row
    int branch = 0;     // set: the branch, for queueing without reading the rows
    std::string label;  // of the loop that return: goes on with; empty: it ends the function
};

// The step as its author would recognise it, on one line. `whole`: with what it sets, its WHERE and its message.
std::string stepText(const resolve::World& world, const resolve::ResolvedStep& step, bool whole);

// The number by which an event row is found that an action's nth insertion, from 1 to 255, writes in reaction to an
// event: the second argument of specql.reaction_id.
int reactionNumber(const resolve::ResolvedAction& action, int insert);

class StepEmitter {
public:
    StepEmitter(const resolve::World& world, const resolve::ResolvedAction& action, Printer& printer)
        : world_(world), action_(action), printer_(printer) {}

    std::string emit(const std::vector<resolve::ResolvedStep>& steps, StepPlace place);
    // Steps that are one statement each over all rows of a set, and come to the same as row by row.
    bool setBased(const std::vector<const resolve::ResolvedStep*>& steps) const;

    // An insert, upsert, update or delete that one statement does for all the elements that the query `given` gives.
    // `returning`: a value of each element, which the statement tells where it has found its row.
    std::string atOnce(const resolve::ResolvedStep& step, const std::string& returning);

    // What a step sends, as one JSON object, and the message of one that fails.
    std::string objectOf(const resolve::ResolvedStep& step) { return jsonObject(step); }
    std::string messageOf(const resolve::ResolvedStep& step) { return messageSql(step); }
    std::string channelOf(const resolve::ResolvedStep& step) {
        return printChannel(step.spec->target, step.spec->targetParts, templateValues(step.targetValues));
    }
    // Variables that the statements need in DECLARE.
    const std::vector<std::string>& declarations() const { return declarations_; }
    // Event rows that wait for deliveries: where to find them again.
    struct Reaction {
        const resolve::EntityInfo* entity;
        int number;  // the second argument of specql.reaction_id
    };
    const std::vector<Reaction>& reactions() const { return reactions_; }
    // What stands before a loop that is left early: <<events>>, or nothing.
    std::string label(const std::string& name) const { return usedLabels_.count(name) ? "<<" + name + ">>\n" : ""; }
    // True if event rows may wait for deliveries that no step has queued in the end.
    bool mayEndUndelivered() const { return waitsInVain_ || (!usedLabels_.empty() && !reactions_.empty()); }
    // True if something leaves the transaction because of these steps: then the event is done when it was delivered.
    static bool delivers(const std::vector<resolve::ResolvedStep>& steps);

private:
    std::string one(const resolve::ResolvedStep& step, StepPlace& place);
    std::string insert(const resolve::ResolvedStep& step, const StepPlace& place, bool delivers);
    // The id of the row is made from the event's; the number that makes it, or 0 if the row is not written once per
    // event, or if the spec gives its id.
    int giveReactionId(const resolve::EntityInfo& entity, const StepPlace& place, bool delivers,
                       std::vector<std::string>& columns, std::vector<std::string>& values);
    void markProcessed(const resolve::EntityInfo& entity, int reaction, bool delivers,
                       std::vector<std::string>& columns, std::vector<std::string>& values);
    std::string update(const resolve::ResolvedStep& step, const StepPlace& place);
    std::string sumUpdate(const resolve::ResolvedStep& step, const SumUpdate& update, const StepPlace& place);
    std::string foldUpdate(const resolve::ResolvedStep& step, const resolve::Value& keyValue, const StepPlace& place);
    std::string rowsThere(const resolve::ResolvedStep& step, const StepPlace& place);
    // The event's own row, or the taken row. No two events of a set have the same one.
    bool isOwnRow(const resolve::ResolvedStep& step) const;
    // Takes rows in order while their sum fits, or the first so many. It is one statement that locks what it takes, so
    // that two sessions never take the same row. `into`: the variable that gets the rows as they are afterwards.
    std::string allocation(const resolve::ResolvedStep& step, const std::string& into);
    // An update or delete of a bulk operation, and what is done for each of the rows that it takes.
    std::string take(const resolve::ResolvedStep& step, const std::vector<resolve::ResolvedStep>& behind);
    std::string takenName(const resolve::EntityInfo& entity, const std::string& prefix);
    std::string assignments(const resolve::ResolvedStep& step);
    void declare(const std::string& declaration);
    std::string queue(const std::string& function, const resolve::ResolvedStep& step, const StepPlace& place);
    std::string queueOnce(const resolve::ResolvedStep& step, const StepPlace& place);
    std::string jsonObject(const resolve::ResolvedStep& step);
    std::string messageSql(const resolve::ResolvedStep& step);
    std::vector<std::string> templateValues(const std::vector<resolve::BoundExpression>& values);
    std::string emitEvent(const resolve::ResolvedStep& step, const StepPlace& place);
    std::string call(const resolve::ResolvedStep& step, const StepPlace& place);
    std::string foreach (const resolve::ResolvedStep& step, const StepPlace& place);
    // A value by a name: of one event a variable, of a set a column beside those of each event, which `place` gets.
    std::string let(const resolve::ResolvedStep& step, StepPlace& place);
    // Fields of the row that a trigger is about, all by the values before.
    std::string assign(const resolve::ResolvedStep& step);
    std::string find(const resolve::ResolvedStep& step, const StepPlace& place);
    std::string each(const resolve::ResolvedStep& step, const StepPlace& place);
    std::string lock(const resolve::ResolvedStep& step, const StepPlace& place);
    std::string upsert(const resolve::ResolvedStep& step, const StepPlace& place);
    std::string absent(const resolve::EntityInfo& entity, const std::string& column) const;
    // FROM, WHERE and, if there is something to say, ORDER BY and LIMIT of the rows that a step looks for.
    std::string looked(const resolve::ResolvedStep& step);
    bool isSteady(const resolve::BoundExpression& bound) const;
    std::string perform(const std::string& expression, const StepPlace& place) const;
    std::string rowCondition(const resolve::ResolvedStep& step, const std::string& alias);
    std::string comment(const resolve::ResolvedStep& step) const;
    std::string eventId(const StepPlace& place);
    std::string takenData() const;
    std::string eventData(const StepPlace& place);
    std::string assignmentSql(const resolve::BoundAssignment& assignment);

    const resolve::World& world_;
    const resolve::ResolvedAction& action_;
    Printer& printer_;
    std::vector<std::string> declarations_;
    std::vector<Reaction> reactions_;
    std::function<std::string(const resolve::BoundAssignment&, const std::string&)> lacking_;  // of what may be missing
    int lets_ = 0;                                                                             // of sets, so far
    int inserts_ = 0;  // with a reaction id, so far
    std::set<std::string> usedLabels_;
    std::vector<const resolve::EntityInfo*> takenFrom_;  // whose rows have variables
    const resolve::EntityInfo* taken_ = nullptr;         // whose rows the steps are done for
    bool oncePerEvent_ = true;                           // false inside foreach
    bool delivers_ = false;                              // a step of the list, or of one around it, may deliver
    bool surely_ = false;                                // and one does so unless the list is left early
    bool waitsInVain_ = false;
};

}  // namespace specql::emit
