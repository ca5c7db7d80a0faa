// What each step does, in one sentence: which rows of what it touches, and with which values. For specql.explain, so
// that a person can compare it with what was meant.
#pragma once

#include <string>

#include "resolve/resolver.hpp"

namespace specql::emit {

// Adds to the world's explanations what each step of the fresh actions does, in a sentence.
void explainSteps(resolve::World& world, const resolve::Resolver& resolver);
// What one step does.
std::string sentenceOf(resolve::World& world, const resolve::Resolver& resolver, const resolve::ResolvedAction& action,
                       const resolve::ResolvedStep& step);

}  // namespace specql::emit
