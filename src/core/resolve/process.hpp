// Processes: what their steps mean. What earlier ones gave is known to later ones.
#pragma once

#include <vector>

#include "resolve/expressions.hpp"
#include "resolve/steps.hpp"

namespace specql::resolve {

// What a call gave, as a whole.
inline constexpr char wholeAnswer[] = "response";

// Has it what somebody else said: an answer, an event, a choice?
bool givesAnswer(const spec::Stage& stage);
// The step in what a step of a process does whose rows its result is of; null if it writes none.
const ResolvedStep* writtenBy(const ResolvedStep& stage);

class ProcessBinder : ActionPart {
public:
    ProcessBinder(ActionContext& context, EventScope& event, PayloadTypes& types, ExpressionBinder& expressions,
                  StepBinder& steps)
        : ActionPart(context), event_(event), types_(types), expressions_(expressions), steps_(steps) {}

    std::vector<ResolvedStep> bind(const std::vector<spec::Step>& stages);

private:
    // The entity that the saga stands in, whose row tells of it, and which parameters are of its columns.
    void bindRecord();
    // What the names of other steps mean in the step at this place.
    Scope scopeAt(const std::vector<spec::Step>& stages, size_t place) const;
    ResolvedStep bindStage(const spec::Step& stage, size_t place, const Scope& scope);
    std::vector<ResolvedStep> bindDoes(const std::vector<spec::Step>& steps, Scope scope);
    void checkUndone(const ResolvedStep& stage);
    // Reports parameters that a private field is set to.
    void checkParameters(const std::vector<ResolvedStep>& steps);
    void refuseParameter(const EntityInfo& entity, const ColumnInfo* column, Pos pos);

    EventScope& event_;
    PayloadTypes& types_;
    ExpressionBinder& expressions_;
    StepBinder& steps_;
    std::vector<const EntityInfo*> written_;  // by place: whose rows a step writes; null if it writes none
};

}  // namespace specql::resolve
