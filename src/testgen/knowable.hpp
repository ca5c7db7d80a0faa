// What a test cannot know before it runs.
#pragma once

#include <string>

#include "resolve/resolver.hpp"

namespace specql::testgen {

// Why the value of an expression is not known even where all its names are; empty if it is.
std::string unknowable(const resolve::World& world, const resolve::Resolver& resolver,
                       const resolve::BoundExpression& bound);

}  // namespace specql::testgen
