// Steps: their targets, assignments and calls. Behind the update or delete by which a bulk operation takes rows, the
// taken row stands in the event's place.
#pragma once

#include <string>
#include <vector>

#include "resolve/expressions.hpp"
#include "resolve/where.hpp"

namespace specql::resolve {

class StepBinder : ActionPart {
public:
    StepBinder(ActionContext& context, EventScope& event, PayloadTypes& types, Names& names,
               ExpressionBinder& expressions, WhereChecks& where, WordChecks& words)
        : ActionPart(context),
          event_(event),
          types_(types),
          names_(names),
          expressions_(expressions),
          where_(where),
          words_(words) {}

    std::vector<ResolvedStep> bindSteps(const std::vector<spec::Step>& steps, Scope& scope);

private:
    EntityInfo* targetOf(const spec::Step& step);
    void bindSet(const spec::Step& step, ResolvedStep& resolved, const Scope& outer);
    // create: columns take the event's values of the same name.
    void bindCreate(ResolvedStep& resolved, const Scope& scope);
    // The WHERE that follows the one ref from the target to the event's row.
    std::string refHint(const EntityInfo& target) const;
    // Which row an update or delete without WHERE is about. `handled`: the entity of the taken row, behind an
    // allocation.
    void bindOwnRow(const spec::Step& step, ResolvedStep& resolved, const EntityInfo* handled);
    void bindWay(int way, ResolvedStep& resolved);
    // The row that VIA says.
    void bindVia(const spec::Step& step, ResolvedStep& resolved);
    // Behind an allocation: the taken row itself, or the one that it refers to. False if it leads to none.
    bool bindTakenRow(const spec::Step& step, ResolvedStep& resolved, const Scope& scope);
    // LIMIT that shares a word with a field of the target allocates: rows are taken while the field's sum fits.
    void bindLimit(const spec::Step& step, ResolvedStep& resolved, const Scope& scope);
    std::vector<BoundExpression> bindTemplate(const spec::Template& text, const Scope& scope);
    ResolvedStep bindStep(const spec::Step& step, Scope& scope);
    void bindForeach(const spec::Step& step, ResolvedStep& resolved, Scope& scope);
    // <action>: "f(args)" calls the action; a function of that name is called; otherwise the call is queued.
    void bindCall(const spec::Step& step, ResolvedStep& resolved, Scope& scope);

    EventScope& event_;
    PayloadTypes& types_;
    Names& names_;
    ExpressionBinder& expressions_;
    WhereChecks& where_;
    WordChecks& words_;
};

}  // namespace specql::resolve
