// What a foreach goes over in a test: an array of two elements that differ, whose values are dimensions of their own.
#pragma once

#include "resolve/resolver.hpp"
#include "testgen/scenario.hpp"

namespace specql::testgen {

// An element of the array of a loop; `place` shifts its values.
Dimension elementOf(const resolve::World& world, const resolve::ResolvedStep& loop, const std::string& type,
                    size_t place);

}  // namespace specql::testgen
