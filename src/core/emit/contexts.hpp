// Rows that refs and keys lead to.
#pragma once

#include <string>

#include "emit/printer.hpp"

namespace specql::emit {

// Statements that read them into variables. Rows that a key names are as they are when handling starts: every condition
// and step sees the same values. A row that is gone has no values: all of them are NULL.
std::string readContexts(const resolve::ResolvedAction& action, Printer& printer);

}  // namespace specql::emit
