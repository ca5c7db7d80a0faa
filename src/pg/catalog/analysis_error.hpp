// What an error of PostgreSQL's analyser means for whoever wrote the expression.
#pragma once

#include "model/facts.hpp"
#include "pg/compat.hpp"

namespace specql::catalog {

// `text` is what was analysed, in the server's encoding, and `utf8` the same in UTF-8.
void recordFailure(const ErrorData* error, const char* text, const char* utf8, const ExpressionFacts& facts,
                   AnalysisResult& result);

}  // namespace specql::catalog
