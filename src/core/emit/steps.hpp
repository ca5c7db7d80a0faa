// Steps to statements. The same step is written for a set of events, for one event in a loop, or for the rows that a
// bulk operation handled; only where its rows come from differs.
#pragma once

#include <string>
#include <vector>

#include "emit/printer.hpp"

namespace specql {

struct StepPlace {
    enum class Rows { set, loop, handled, once } rows = Rows::once;
    std::string from;  // set: "inventory.stock_change_rows(1) AS e"; handled: "unnest(v_handled) AS h"
    int branch = 0;    // set: the branch, for queueing without reading the rows
};

class StepEmitter {
public:
    StepEmitter(const World& world, const ResolvedAction& action, Printer& printer)
        : world_(world), action_(action), printer_(printer) {}

    std::string emit(const std::vector<ResolvedStep>& steps, const StepPlace& place);
    // Rows in order while their sum fits, or the first so many: one statement, safe against the same in another
    // session. Sets v_handled to the rows as they are afterwards.
    std::string allocation(const ResolvedStep& step);

    // Variables that the statements need in DECLARE.
    const std::vector<std::string>& declarations() const { return declarations_; }
    // Event rows that wait for deliveries: where to find them again.
    struct Reaction {
        const EntityInfo* entity;
        int number;  // the second argument of specql.reaction_id
    };
    const std::vector<Reaction>& reactions() const { return reactions_; }
    bool usesLabel() const { return usesLabel_; }
    // True if event rows may wait for deliveries that no step has queued in the end.
    bool mayEndUndelivered() const { return waitsInVain_ || (usesLabel_ && !reactions_.empty()); }
    // True if something leaves the transaction because of these steps: then the event is done when it was delivered.
    static bool delivers(const std::vector<ResolvedStep>& steps);

private:
    std::string one(const ResolvedStep& step, const StepPlace& place);
    std::string insert(const ResolvedStep& step, const StepPlace& place, bool delivers);
    // The id of the row is made from the event's; the number that makes it, or 0 if the row is not written once per
    // event, or its id is no business of ours.
    int giveReactionId(const EntityInfo& entity, const StepPlace& place, bool delivers,
                       std::vector<std::string>& columns, std::vector<std::string>& values);
    void markProcessed(const EntityInfo& entity, int reaction, bool delivers, std::vector<std::string>& columns,
                       std::vector<std::string>& values);
    std::string update(const ResolvedStep& step, const StepPlace& place);
    std::string queue(const std::string& function, const Step& step, const StepPlace& place);
    std::string emitEvent(const ResolvedStep& step, const StepPlace& place);
    std::string call(const ResolvedStep& step, const StepPlace& place);
    std::string foreach (const ResolvedStep& step, const StepPlace& place);
    std::string perform(const std::string& expression, const StepPlace& place) const;
    std::string rowCondition(const ResolvedStep& step, const std::string& alias);
    std::string comment(const ResolvedStep& step) const;
    std::string eventId(const StepPlace& place);
    std::string eventData(const StepPlace& place);
    std::string assignmentSql(const BoundAssignment& assignment);

    const World& world_;
    const ResolvedAction& action_;
    Printer& printer_;
    std::vector<std::string> declarations_;
    std::vector<Reaction> reactions_;
    int inserts_ = 0;  // with a reaction id, so far
    bool usesLabel_ = false;
    bool oncePerEvent_ = true;  // false inside foreach
    bool delivers_ = false;  // a step of the list, or of one around it, may deliver
    bool surely_ = false;    // and one does so unless the list is left early
    bool waitsInVain_ = false;
};

}  // namespace specql
