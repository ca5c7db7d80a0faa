// Words that could well be read as two values, and rows that an event never has.
#pragma once

#include "resolve/names.hpp"

namespace specql::resolve {

class WordChecks : ActionPart {
public:
    WordChecks(ActionContext& context, EventScope& event, Names& names)
        : ActionPart(context), event_(event), names_(names) {}

    // One word that is the target's in one assignment of a step and the event's in another; or that is a field of the
    // written row, and of another row of its entity or one that the event only leads to.
    void checkMixedSet(const ResolvedStep& step, const Scope& scope);
    // `new IS NOT NULL` holds only if no column is NULL.
    void checkRowTests(const BoundExpression& bound);
    // Values of a row that the event never has.
    void checkMissingRows(const BoundExpression& bound, const Scope& scope);
    void checkMissingVia(const spec::Step& step, int way);

private:
    // Is the row that this value is of the one that the step writes?
    bool isWrittenRow(const ResolvedStep& step, const Value& value) const;

    EventScope& event_;
    Names& names_;
};

}  // namespace specql::resolve
