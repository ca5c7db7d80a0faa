// A text that a regular expression matches, for checks such as code ~ '^[A-Z]{2}[0-9]$'.
#pragma once

#include <string>

namespace specql::testgen {

// Different variants give different texts where the expression leaves a choice. False if it is not understood, or no
// regular expression at all. PostgreSQL has the last word: what comes out is only worth trying.
bool sampleOf(const std::string& expression, size_t variant, std::string& sample);

// The same with `mark` where the expression has room for a number of any length; false if it has none.
bool numberedSampleOf(const std::string& expression, const std::string& mark, std::string& sample);

}  // namespace specql::testgen
