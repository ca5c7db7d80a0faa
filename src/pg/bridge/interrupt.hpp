// Ctrl-C, statement_timeout and the other interrupts of a backend, while the core runs with live C++ objects.
#pragma once

#include "pg/compat.hpp"

namespace specql {

// The InterruptCheck of the core. Processes pending interrupts, and returns true if one of them raised an error: the
// core must stop, and reportInterrupt() raises the error. Costs one load when no interrupt is pending.
bool interruptPending() noexcept;

// Raises the error that stopped the core. To be called at the boundary, with no C++ object on the stack.
[[noreturn]] void reportInterrupt();

}  // namespace specql
