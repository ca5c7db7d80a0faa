// Where a backend's claims of each service begin: behind the last call that it has claimed.
//
// What was claimed before lies dead at the left end of the index, perhaps for long, because an old snapshot is open; a
// claim must not read it again. But transactions do not commit in the order in which they queue: so a claim begins
// before everything that a transaction can have queued that was open when the last one looked. That is known from the
// transaction ids of earlier claims. Now and then a claim looks at all that is due: the clock may have been set back,
// and others may have given back what they had claimed.
#pragma once

#include "pg/base/server.hpp"

namespace specql::outbox {

// Once per backend, when the library is loaded.
void registerClaimPlaces();

// Milliseconds until a claim may look at everything, if the last one of some service found nothing and had not looked
// at everything; else -1. A worker must not sleep longer.
int64_t msToFullLook();

}  // namespace specql::outbox
