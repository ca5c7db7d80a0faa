// Makes ExpressionFacts of expression strings: the names and calls that they use, or why they are refused.
#pragma once

#include "model/facts.hpp"
#include "text/source.hpp"

namespace specql::catalog {

// Fills `facts` with one entry per expression. Both must be held, because a server error may jump over
// them. Codes of refusals:
//   SPQL-E002 syntax             SPQL-E007 numbered parameter  SPQL-E012 something follows the expression
//   SPQL-E003 comment            SPQL-E008 DEFAULT             SPQL-E013 too deeply nested
//   SPQL-E004 several            SPQL-E009 star                SPQL-E014 other form of SQL
//   SPQL-E005 another clause     SPQL-E010 aggregate syntax    SPQL-E015 not readable in the database's encoding
//   SPQL-E006 sub-select         SPQL-E011 window function
void gatherFacts(const std::vector<Text>& expressions, std::vector<ExpressionFacts>* facts);

}  // namespace specql::catalog
