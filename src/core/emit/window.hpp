// Windows and correlations as the runtime takes them: numbered terms, and how they are joined.
#pragma once

#include <vector>

#include "model/object.hpp"
#include "resolve/resolver.hpp"

namespace specql::emit {

// The registration of a window or correlation: its terms, and how they are joined.
Object windowObject(const resolve::ResolvedAction& action);
// Where the history of the events stands that the fresh windows and correlations count.
std::vector<WindowHistory> windowHistories(const resolve::World& world, const resolve::Resolver& resolver);

}  // namespace specql::emit
