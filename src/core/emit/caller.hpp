// Which actions ask who did it.
#pragma once

#include "resolve/resolver.hpp"

namespace specql::emit {

// Does a condition or a step, or a bulk operation that a step calls, use caller? Then the log keeps the caller of its
// events.
bool usesCaller(const resolve::World& world, const resolve::Resolver& resolver, const resolve::ResolvedAction& action);

}  // namespace specql::emit
