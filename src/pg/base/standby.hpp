// What may leave this server before a standby has it: specql.deliver_after.
#pragma once

#include "pg/compat.hpp"

namespace specql {

// The place in the WAL up to which this server has written it durably.
XLogRecPtr ownPosition();

// Is the WAL up to `position` where specql.deliver_after wants it before calls leave: flushed by the synchronous
// standbys, or just here? Takes no heavy lock and waits for nobody, so that who asks can do something else meanwhile.
bool isSafe(XLogRecPtr position);

}  // namespace specql
