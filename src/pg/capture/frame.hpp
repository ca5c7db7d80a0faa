// The frame of a running handler: the events that it was given. Frames form a stack, because the writes of a handler
// set off other handlers; the functions that generated code calls work on the innermost.
#pragma once

#include "pg/capture/event_set.hpp"

namespace specql::capture {

struct Frame {
    Frame* parent;
    uint64_t serial;  // unique within the session
    SubTransactionId subtransaction;
    EventSet* set;
    int64_t first;  // the events are rows [first, first + count) of the set
    int64_t count;
    int64_t focus;        // index in the frame of the event to which deliveries belong that name none
    int logSlot;          // the partition of the event log that takes its events; see pg/base/log_ring.hpp
    int32_t* deliveries;  // how many are queued for each event; nullptr before the first delivery
    List* deferrable;     // oids of the deferrable constraints of tables that were written inside of this frame
    MemoryContext context;

    Listener* listener() const { return set->listener; }
    pg_uuid_t* id(int64_t index) const { return &set->ids[first + index]; }
};

// The innermost frame; nullptr outside of handlers.
Frame* currentFrame();
// The same, but raises SQ203 outside of handlers, and in code of another role that a handler sets off. `function` is
// the name of the SQL function for the message.
Frame* requireFrame(const char* function);
// The serial of the innermost frame; 0 outside of handlers.
uint64_t currentFrameSerial();

// The role whose rights decide what a SECURITY DEFINER function of specql may show and do: in a handler its owner,
// where a capture function is evaluated again the owner of that, else workingUser().
Oid viewer();

// The lineage of an event that is raised now: caused by the first event of the innermost frame, if there is one.
Lineage currentLineage();

// Makes a frame for events [first, first + count) of the set. popFrame() must be given the innermost one.
Frame* pushFrame(EventSet* set, int64_t first, int64_t count);
void popFrame(Frame* frame);
// Adds a constraint to frame->deferrable, once.
void noteDeferrable(Frame* frame, Oid constraint);
// Drop the frames that an error has left on the stack: those of an aborted subtransaction, or all.
void dropFramesOf(SubTransactionId subtransaction);
void dropAllFrames();

// The index in the frame of the event with this id; -1 if it is not one of them.
int64_t findEvent(const Frame* frame, const pg_uuid_t* id);

// Does this frame, or one below it on the stack, belong to a replay that delivers nothing? nullptr gives false.
bool deliversNothing(const Frame* frame);

// Counts a delivery that was queued for the event with this index in the frame.
void countDelivery(Frame* frame, int64_t index);

// "a → b → c": the actions of the frames, outermost first, and the action of `last`, which would be the next. In the
// current memory context.
char* chainOfActions(const EventSet* last);

}  // namespace specql::capture
