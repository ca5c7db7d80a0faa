// The event graph as text for programs that draw.
#pragma once

#include <string>

#include "resolve/graph.hpp"

namespace specql::emit {

// The names that drawGraph takes, for an error that lists them.
bool isPictureFormat(const std::string& format);

// `mermaid` (a flowchart, which GitHub and many editors show) or `dot` (Graphviz). Any name is quoted as the format
// demands. Precondition: isPictureFormat(format).
std::string drawGraph(const resolve::EventGraph& graph, const std::string& format);

}  // namespace specql::emit
