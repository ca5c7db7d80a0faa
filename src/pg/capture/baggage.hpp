// What goes along with an event from the session that raised it to wherever its handlers run: the trace, and the
// settings that specql.context names.
#pragma once

#include "pg/base/server.hpp"

namespace specql::capture {

struct Baggage {
    const char* traceparent;  // nullptr if there is none
    Datum settings;           // jsonb: an object of texts; 0 if there are none
    const char* raw;          // the same as one text, to be compared; nullptr if it was stored
    int rawLength;
};

// Of an event that is raised now: in a handler that of its events, else the session's. nullptr for nothing. It lives to
// the end of the transaction; while nothing changes, the same object is returned.
const Baggage* currentBaggage();

// What was stored with an event: a text or nullptr, and a jsonb or 0. In `context`, unless there is nothing.
const Baggage* storedBaggage(MemoryContext context, const char* traceparent, Datum settings);

// Are two stored settings (jsonb or 0) equal?
bool sameSettings(Datum left, Datum right);

// Gives settings of an event (jsonb or 0) to the session until the innermost NewGUCNestLevel() ends. An error if there
// is one that `role` may not set.
void applySettings(Datum settings, Oid role);
// Resets likewise those that specql.context names: an event that has none must not see the session's.
void resetSettings();

// At the end of the transaction.
void forgetSessionBaggage();

}  // namespace specql::capture
