// Makes ExpressionFacts of expression strings: the names and calls that they use, or why they are refused.
#pragma once

#include "model/facts.hpp"
#include "text/source.hpp"

namespace specql::catalog {

// Fills `facts` with one entry per expression. Both must be held, because a server error may jump over them.
void gatherFacts(const std::vector<Text>& expressions, std::vector<ExpressionFacts>* facts);

}  // namespace specql::catalog
