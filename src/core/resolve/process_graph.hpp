// The steps of a process in the picture of all.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "resolve/action.hpp"
#include "resolve/graph.hpp"

namespace specql::resolve {

// Draws what steps do, from a node; the prefix is for what stands at the edges.
using DrawSteps = std::function<void(size_t self, const std::vector<ResolvedStep>& steps, const std::string& prefix)>;

// A node for each step, in their order, from that of the action on; and by `draw` what each does, and what undoes that.
void drawStages(EventGraph& graph, const ResolvedAction& action, size_t self, const DrawSteps& draw);

}  // namespace specql::resolve
