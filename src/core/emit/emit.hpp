// What was resolved to the objects that should exist, as SQL text formatted for people.
#pragma once

#include <vector>

#include "model/object.hpp"
#include "resolve/resolver.hpp"

namespace specql::emit {

// All objects that the world wants, in the order in which they can be created: schemas, tables, constraints and
// indexes, functions, triggers, registrations.
std::vector<Object> emitObjects(resolve::World& world, resolve::Resolver& resolver);

}  // namespace specql::emit
