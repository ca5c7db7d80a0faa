// Which events a window counts at all, as cases: both sides of each comparison of a FILTER, every operation that raises
// an event, an update that changes nothing, rows of another type.
#pragma once

#include "testgen/window_play.hpp"

namespace specql::testgen {

// Asks for values; `label` is what the cases call the window.
std::vector<WindowCase> filterCases(WindowEvents& events, const std::string& label);

}  // namespace specql::testgen
