// Rules that run before a row is written: a trigger for each, which changes and checks that row.
#pragma once

#include <vector>

#include "model/object.hpp"
#include "resolve/resolver.hpp"

namespace specql::emit {

// Its function, and its trigger, whose name PostgreSQL orders it by.
void emitBefore(resolve::World& world, const resolve::Resolver& resolver, const resolve::ResolvedAction& action,
                std::vector<Object>& functions, std::vector<Object>& triggers);

}  // namespace specql::emit
