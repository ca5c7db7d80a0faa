// Locks that a process holds as long as it lives: of a worker its place, of an owner worker the role that it works for.
#pragma once

#include "pg/bridge/lock.hpp"

namespace specql {

// If nobody has it; false if somebody does. Taken again, it is held once.
bool holdLock(LockKind kind, uint32 number);
// Is it held by no session, or by this one? May be asked at any time in a transaction.
bool isFree(LockKind kind, uint32 number);

}  // namespace specql
