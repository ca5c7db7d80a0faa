// What a statement does not need of its table's triggers. The executor has a copy of them for each statement, in which
// we leave what it needs. Without us, as in COPY or before this library is loaded, all of them fire, to the same
// effect.
//
// - Of the triggers of actions the first is enough. The others remain where they are: \d shows them, and DISABLE
//   TRIGGER switches one action off.
// - The trigger of specql.capture gets a condition, as if by WHEN. So rows that match no action are not queued for it.
//   A WHEN in the trigger itself would be read and compiled by every statement.
// - Those of the actions fire for a statement of which a row has been queued.
#pragma once

#include "pg/capture/table_listeners.hpp"

namespace specql::capture {

// Which of the triggers of a relation, nullptr if it has none, a statement needs. In the current memory context.
NeededTriggers neededTriggers(Relation relation, const TriggerDesc* triggers, const Oid captureTrigger[operationCount]);

// Has the row for which this trigger fires passed the condition?
bool hasPassed(const Trigger* trigger);

// Once per backend, when the library is loaded.
void initStatements();

}  // namespace specql::capture
