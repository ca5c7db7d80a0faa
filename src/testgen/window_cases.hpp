// The cases of a window or correlation, as a table: the events that complete it and those that do not, keys, time, what
// comes after a match, absence.
#pragma once

#include "testgen/window_play.hpp"

namespace specql::testgen {

// `label` is what the cases call the window; `first`: the shortest events that make it match, if there are any.
std::vector<WindowCase> windowCases(const WindowEvents& events, const WindowFindings& found, const Kinds& first,
                                    const std::string& label);

}  // namespace specql::testgen
