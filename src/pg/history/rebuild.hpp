// Rows of the past: an event's captured row made again from the data that was logged.
#pragma once

#include "pg/capture/event_set.hpp"

namespace specql::history {

// A row-changing event, read back from its `data` ({"old": …, "new": …}) with today's rules.
struct RebuiltEvent {
    TupleTableSlot* row;  // of rule->shape; the branches are not in it but in rule->mask
    int maskBytes;        // 0: no branch holds
    int branchCount;
};

// Old and new row are made with the rights of the table's owner. An error if the action does not listen to such a
// change, is switched off, or the data does not fit the table any more. Valid until the rule evaluates another row.
RebuiltEvent rebuildEvent(capture::Rule* rule, Relation relation, Jsonb* data);

}  // namespace specql::history
