// Actions to functions, triggers and registrations: the shapes that src/README.md shows.
#pragma once

#include <vector>

#include "model/object.hpp"
#include "resolve/resolver.hpp"

namespace specql::emit {

// Capture, rows, handler and trigger or registration of one resolved action.
void emitAction(resolve::World& world, const resolve::Resolver& resolver, const resolve::ResolvedAction& action,
                std::vector<Object>& functions, std::vector<Object>& triggers);

}  // namespace specql::emit
