// The frame of a running handler: the events it was given. Frames form a stack; generated code speaks to the innermost.
#pragma once

#include "pg/capture/event_set.hpp"

namespace specql::capture {

struct Frame {
    Frame* parent;
    uint64_t serial;  // never used twice
    SubTransactionId subtransaction;
    EventSet* set;
    int64_t first;  // the events are set rows [first, first + count)
    int64_t count;
    int64_t focus;        // index of the event that deliveries without one belong to
    int32_t* deliveries;  // queued for each event; nullptr until the first
    MemoryContext context;

    Rule* rule() const { return set->rule; }
    pg_uuid_t* id(int64_t index) const { return &set->ids[first + index]; }
};

// The innermost frame; nullptr outside of handlers.
Frame* currentFrame();
// The same, but raises SQ203 outside of handlers; `function` names the caller.
Frame* requireFrame(const char* function);
uint64_t currentFrameSerial();

// For whom functions of specql work that run as the extension's owner: in a handler, or where conditions are asked
// again, whoever they run as; else the role that the session is, or has become with SET ROLE.
Oid viewer();

// How an event that happens now comes about.
Lineage currentLineage();

Frame* pushFrame(EventSet* set, int64_t first, int64_t count);
void popFrame(Frame* frame);
// Forgets frames that an error has left behind.
void dropFramesOf(SubTransactionId subtransaction);
void dropAllFrames();

// The index in the frame of the event with this id; -1 if it is not one of them.
int64_t findEvent(const Frame* frame, const pg_uuid_t* id);

// Is this frame, or one that led to it, that of a replay which delivers nothing?
bool isSilent(const Frame* frame);

// Counts a delivery for the event with this index.
void countDelivery(Frame* frame, int64_t index);

// "a → b → c": the actions of the frames, outermost first, and that of the set which would be next.
char* chainOfActions(const EventSet* last);

}  // namespace specql::capture
