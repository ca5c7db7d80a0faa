// What a test cannot know before it runs, or cannot compare.
#pragma once

#include <string>

#include "resolve/resolver.hpp"

namespace specql::testgen {

// Why the value of an expression is not known even where all its names are; empty if it is.
std::string unknowable(const resolve::World& world, const resolve::Resolver& resolver,
                       const resolve::BoundExpression& bound);

// That two values differ: as JSON, for there are types that have no equality.
std::string differ(const std::string& one, const std::string& other);

}  // namespace specql::testgen
