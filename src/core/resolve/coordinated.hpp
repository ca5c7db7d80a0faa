// Actions over several entities: which of them is the parent, which rows the elements of the array become, and how each
// of the others is found.
#pragma once

#include <string>
#include <vector>

#include "resolve/steps.hpp"

namespace specql::resolve {

class CoordinatedBinder : ActionPart {
public:
    CoordinatedBinder(ActionContext& context, EventScope& event, PayloadTypes& types, ExpressionBinder& expressions,
                      WhereChecks& where, StepBinder& steps)
        : ActionPart(context), event_(event), types_(types), expressions_(expressions), where_(where), steps_(steps) {}

    // One step for each entity, in the order of the text; none if it is not clear what is meant.
    std::vector<ResolvedStep> bind(const std::vector<spec::Step>& entries);

private:
    bool findItems(const std::vector<ResolvedStep>& steps);
    bool bindParent(ResolvedStep& step);
    // The way to the row of a parent that is there already; -1 if it does not say which one it is.
    int parentWay(ResolvedStep& step);
    void nameParent(const EntityInfo& entity, int row);
    void bindItems(ResolvedStep& step);
    void bindOther(ResolvedStep& step);
    void bindOtherRows(ResolvedStep& step, const Scope& scope);
    // Columns that the caller gives values to, by parameters.
    void bindTaken(ResolvedStep& step);
    // What holds of the rows before they are written.
    void bindChecks(ResolvedStep& step, const Scope& scope);
    void setRefToParent(ResolvedStep& step);
    std::vector<const ColumnInfo*> refsTo(EntityInfo* parent, const EntityInfo& from) const;
    Value parentKey() const;
    Scope scope() const;

    // --- values of elements ------------------------------------------------------------------------------------------
    void checkValues(std::vector<ResolvedStep>& steps);
    void checkWhere(ResolvedStep& step);
    void checkBound(ResolvedStep& step, BoundExpression& bound, ResolvedStep* check);
    void checkMessage(const ResolvedStep& check, bool ofItems);
    void checkParentThere(const BoundExpression& bound);
    void checkRefs(const ResolvedStep& step);
    void checkCircles(const ResolvedStep& step);
    bool isLinear(const BoundExpression& bound) const;
    // That the elements have the value, whether or not it must be there.
    void knowItem(const BoundExpression& bound, size_t name);
    void noteItem(const BoundExpression& bound, size_t name);

    EventScope& event_;
    PayloadTypes& types_;
    ExpressionBinder& expressions_;
    WhereChecks& where_;
    StepBinder& steps_;
    EntityInfo* parent_ = nullptr;
    size_t parentStep_ = 0;
    int parentWay_ = -1;
    std::vector<RowName> parentNames_;
};

// Is a value of the row that the step inserts made when that is done, because the rows before do not know it yet?
bool isLate(const ResolvedAction& action, const BoundAssignment& set);

}  // namespace specql::resolve
