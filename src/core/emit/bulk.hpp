// Bulk operations: a function over a set, called by name, by its trigger or from psql.
#pragma once

#include "model/object.hpp"
#include "resolve/resolver.hpp"

namespace specql::emit {

// The function of a bulk operation, and what calls it when its trigger is raised.
Object bulkFunction(const resolve::World& world, const resolve::Resolver& resolver,
                    const resolve::ResolvedAction& action);

}  // namespace specql::emit
