// A function in the place of another.
#pragma once

#include <string>
#include <vector>

#include "model/object.hpp"

namespace specql::plan {

// The commands that put `object` in the place of the function that is there. With the same arguments and result that is
// CREATE OR REPLACE; otherwise it is dropped and made again, and belongs to its owner and is granted as before.
std::vector<std::string> replaceFunction(const Object& object, const FunctionView& function);
// The commands that make it after it was dropped by an earlier step of the same plan.
std::vector<std::string> remakeFunction(const Object& object, const FunctionView& function);

}  // namespace specql::plan
