// Actions over several entities: the function that tests all and then writes all, and the one that gives the elements
// of its array as rows.
#pragma once

#include <vector>

#include "model/object.hpp"
#include "resolve/resolver.hpp"

namespace specql::emit {

std::vector<Object> coordinatedFunctions(resolve::World& world, const resolve::Resolver& resolver,
                                         const resolve::ResolvedAction& action);

}  // namespace specql::emit
