// What the terms of a window's condition are among the world's expressions.
#pragma once

#include <vector>

#include "spec/spec.hpp"

namespace specql::resolve {

using Window = spec::WindowCondition;
using spec::WindowTerm;

// Of a term's field, filter, keys and interval; -1 where there is none.
struct TermExpressions {
    int interval = -1, filter = -1, field = -1;
    std::vector<int> by;
};

}  // namespace specql::resolve
