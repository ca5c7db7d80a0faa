// Makes the captured row of an event again, from its logged data.
#pragma once

#include "pg/capture/event_set.hpp"

namespace specql::history {

// A row event, rebuilt from its data ({"old": …, "new": …}) with the conditions and values that the action has now.
struct RebuiltEvent {
    TupleTableSlot* row;  // of listener->rowDescriptor, without the branches: those are in listener->mask
    int maskBytes;        // size of the mask; 0 if no branch holds
    int branchCount;
};

// `logged` is what was logged (nullptr for NULL), and the row has it with the names that columns have now. Input
// functions and expressions run with the rights of the owner of the capture function. Raises an error if the action
// does not listen to such a change any more, if its trigger is disabled, if the data does not fit the table, or (SQ208)
// if it was made without a value that the action reads. The row is valid until the listener evaluates another one.
RebuiltEvent rebuildEvent(capture::Listener* listener, Relation relation, Jsonb* logged);

}  // namespace specql::history
