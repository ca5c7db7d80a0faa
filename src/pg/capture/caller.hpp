// Who did it: the role and the claims of whoever caused an event, for specql.caller().
#pragma once

#include "pg/base/server.hpp"

namespace specql::capture {

// The caller at the time when an event was captured or emitted. The JSON is built when it is asked for the first time.
struct Caller {
    Oid user;            // the role that the session worked as
    const char* claims;  // text of the setting that holds the claims; nullptr if none is set
    bool known;          // `data` has been built
    Jsonb* data;         // the claims, with the role's name as "user"; nullptr if the caller is not known
};

// The caller of an event that is raised now: in a handler the caller of its events, else the session's. It lives to the
// end of the transaction; while neither role nor claims change, the same object is returned.
Caller* currentCaller();

// While a process goes on, the caller is who started it, outside of handlers. Returns the one before, to be lent again
// afterwards; an error that nobody catches leaves it to the end of the transaction.
Caller* lendCaller(Caller* caller);
Caller* lentCaller();

// The caller that was stored with an event, from a jsonb or 0. Allocated in `context`.
Caller* storedCaller(MemoryContext context, Datum data);

// What is to be stored with an event: a jsonb, or 0 if the caller is not known.
Datum callerToStore(Caller* caller);

// Are two stored callers (jsonb or 0) equal?
bool sameStoredCaller(Datum left, Datum right);

// At the end of the transaction.
void forgetSessionCaller();

}  // namespace specql::capture
