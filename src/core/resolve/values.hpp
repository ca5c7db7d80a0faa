// Texts in quotes that stand beside values of an enum.
#pragma once

#include "resolve/resolver.hpp"

namespace specql::resolve {

// Reports every text in conditions, steps, defaults, checks and conditions of indexes that is compared with, or
// assigned to, an enum and is none of its values. Of installed units only what a changed enum has made wrong.
void checkValues(World& world, const Resolver& resolver);

// What would mend a text that is no value of the enum: the nearest one, or all there are.
std::string valueHint(const std::vector<std::string>& values, const std::string& text);

}  // namespace specql::resolve
