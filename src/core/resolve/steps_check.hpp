// What is asked of steps once every action is understood.
#pragma once

#include "resolve/resolver.hpp"

namespace specql::resolve {

// Reports inserts that leave out what a row must have, calls of services and operations that nobody declared, and
// messages that look like templates.
void checkSteps(World& world, const Resolver& resolver);
// Reports idempotency keys that are another one at each attempt; after the analysis of expressions.
void checkIdempotencyKeys(World& world, const Resolver& resolver);

}  // namespace specql::resolve
