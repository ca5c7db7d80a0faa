// Ctrl-C, statement_timeout and the other interrupts of a backend, while the core runs with live C++ objects.
#pragma once

#include "pg/compat.hpp"

namespace specql {

// The core's InterruptCheck: handles pending interrupts (so that others do not wait for this backend) and returns true
// if the work must stop; the error then waits for reportInterrupt(). Costs one load when nothing is pending.
bool interruptPending() noexcept;

// Raises the error that stopped the core. To be called at the boundary, with no C++ object on the stack.
[[noreturn]] void reportInterrupt();

}  // namespace specql
