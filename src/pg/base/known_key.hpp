// Idempotency keys: what was queued or raised under one is not queued or raised again while it is known. Every role has
// keys of its own.
#pragma once

#include "pg/base/server.hpp"

extern "C" {
#include "utils/timestamp.h"
#include "utils/uuid.h"
}

namespace specql {

// What a key is of. All are text; `service` is an empty one for an event, whose type is `operation` then. `what` begins
// messages.
struct KeyScope {
    const char* what;
    Datum service, operation;
};

// Makes a key (text) known for this role, from now on and for so long, with the id of what is queued or raised under
// it. False if it is known already: then `id` becomes that of the first. Waits for another transaction that has made it
// known and has not ended. Errors: a key of no or more than 255 bytes, or that no header can hold; a time that is none.
bool makeKeyKnown(const KeyScope& scope, Datum key, const Interval* dedupeFor, pg_uuid_t* id);

// Waits for all other transactions that have made known one of these keys (text[]), in the order of the keys.
void reserveKeys(const KeyScope& scope, Datum keys);

}  // namespace specql
