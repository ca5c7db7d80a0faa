// Who did it: the role and the claims of whoever caused an event, for specql.caller().
#pragma once

#include "pg/base/server.hpp"

namespace specql::capture {

// As it was when an event was captured or emitted. What it amounts to is made only if somebody asks.
struct Caller {
    Oid user;            // the role that the session worked as
    const char* claims;  // the setting's text; nullptr if there was none
    bool known;          // `data` is made
    Jsonb* data;         // the claims with the role's name as "user"; nullptr: nobody is known
};

// The caller of what happens now: in a handler that of its event, else the session's. Those of events that happen in
// one transaction are the same object as long as nothing changes.
Caller* currentCaller();

// The caller that was kept with an event: a jsonb, or 0. In that memory context.
Caller* keptCaller(MemoryContext context, Datum data);

// What is kept with an event: a jsonb, or 0.
Datum callerToKeep(Caller* caller);

// Kept ones: is it the same?
bool sameKept(Datum left, Datum right);

// Transaction ends.
void forgetCaller();

}  // namespace specql::capture
