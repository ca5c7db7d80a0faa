// Updates whose events change a row one after the other, in a variable. Row by row, each update would read the row
// again behind all the dead versions that the statement has left of it so far; here it is read once and written once.
#pragma once

#include <optional>

#include "resolve/resolver.hpp"

namespace specql::emit {

// An update of one row by its key, whose new values an event computes from the row's old ones: the row is read once,
// all of its events change it in a variable, and it is written once. The event's value that is the key; none if it has
// to be made event by event.
std::optional<resolve::Value> readFold(const resolve::World& world, const resolve::Resolver& resolver,
                                       const resolve::ResolvedAction& action, const resolve::ResolvedStep& step);

}  // namespace specql::emit
