// What a test cannot know before it runs, or cannot compare.
#pragma once

#include <string>

#include "resolve/resolver.hpp"

namespace specql::testgen {

// Why the value of an expression is not known even where all its names are; empty if it is.
std::string unknowable(const resolve::World& world, const resolve::Resolver& resolver,
                       const resolve::BoundExpression& bound);

// A type that has no equality is compared in another form.
std::string comparable(const std::string& sql, const std::string& type);

}  // namespace specql::testgen
