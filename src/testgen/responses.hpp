// Responses made up for the answers that a test gives to calls: JSON with the keys that steps read.
#pragma once

#include <string>
#include <vector>

#include "resolve/resolver.hpp"
#include "testgen/table_facts.hpp"

namespace specql::testgen {

// SQL of jsonb, the most likely first: one that has a value at each key that the steps read of `response`, then such
// with the values that their expressions speak of, and one without any key. `place` makes values unlike those of
// others.
std::vector<std::string> responses(const resolve::World& world, const TestTables& tables,
                                   const std::vector<resolve::ResolvedStep>& steps, size_t place);

}  // namespace specql::testgen
