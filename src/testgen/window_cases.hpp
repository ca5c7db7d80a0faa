// The cases of a window or correlation, as a table: the events that complete it and those that do not, keys, time, what
// comes after a match, absence.
#pragma once

#include "testgen/window_play.hpp"

namespace specql::testgen {

// `label` is what the cases call the window; `first`: the shortest events that make it match, if there are any.
std::vector<WindowCase> windowCases(const WindowEvents& events, const WindowFindings& found, const Kinds& first,
                                    const std::string& label);

// Which events it counts at all: both sides of each comparison of a FILTER, every operation that raises an event, an
// update that changes nothing, rows of another type. Asks for values.
std::vector<WindowCase> filterCases(WindowEvents& events, const std::string& label);

}  // namespace specql::testgen
