// What a test cannot know before it runs.
#pragma once

#include <string>

#include "resolve/resolver.hpp"

namespace specql {

// Why the value of an expression is not known even where all its names are; empty if it is.
std::string unknowable(const World& world, const Resolver& resolver, const BoundExpression& bound);

}  // namespace specql
