#include "pg/capture/evaluation.hpp"

namespace specql::capture {

namespace {

void describe(void* argument) {
    const auto* evaluation = static_cast<const Evaluation*>(argument);
    if (evaluation->listener != nullptr)
        errcontext("condition or values of action %s", evaluation->listener->action);
    else
        errcontext("conditions of the actions on %s", evaluation->entity);
}

}  // namespace

// The stack of error contexts is what the server itself takes back after an error, wherever that is caught.
void requireNotEvaluated(Oid relation) {
    for (const ErrorContextCallback* each = error_context_stack; each != nullptr; each = each->previous) {
        if (each->callback != describe) continue;
        const auto* outer = static_cast<const Evaluation*>(each->arg);
        if (outer->relation == relation)
            ereport(ERROR, (errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
                            errmsg("a condition or value of an action on %s changes rows of it", outer->entity),
                            errhint("It may call functions that look at rows. What changes them is a step.")));
    }
}

void beginEvaluation(Evaluation* evaluation) {
    requireNotEvaluated(evaluation->relation);
    evaluation->context = {error_context_stack, describe, evaluation};
    error_context_stack = &evaluation->context;
}

void endEvaluation(const Evaluation* evaluation) {
    error_context_stack = evaluation->context.previous;
}

}  // namespace specql::capture
