// Expression strings to what the core may know of them: the names and calls they use, or why they are refused.
#pragma once

#include "model/facts.hpp"
#include "text/source.hpp"

namespace specql::catalog {

// Fills `facts` with one entry per expression. `facts` must be held (a server error may fly through), and so must
// `expressions`.
void gatherFacts(const std::vector<Text>& expressions, std::vector<ExpressionFacts>* facts);

}  // namespace specql::catalog
