// Materialized views of entities.
#pragma once

#include <vector>

#include "model/object.hpp"
#include "resolve/resolver.hpp"

namespace specql::emit {

// The views of an entity, each followed by what refreshes it.
std::vector<Object> viewObjects(resolve::World& world, const resolve::EntityInfo& entity);

}  // namespace specql::emit
