// Due times of rows: when each is due, and the handler that keeps that as rows change.
#pragma once

#include <string>

#include "emit/function.hpp"
#include "emit/printer.hpp"

namespace specql::emit {

// invoice_overdue_due_times(): the keys of rows, and when they are due. One place says it: whoever keeps the times as
// rows change reads it, and what takes in the rows there are.
FunctionText dueTimesFunction(const resolve::ResolvedAction& listener);
// What a listener's handler does, and the variable that it needs.
std::string keepDueTimes(const resolve::ResolvedAction& listener, Printer& printer);
std::string dueKeysDeclaration(const resolve::DueTime& due);
// Of old and new: is it another time, or another row?
std::string dueTimeChanged(const resolve::DueTime& due);
// Tells the runtime when rows are due.
std::string dueCommand(const resolve::ResolvedAction& action);

}  // namespace specql::emit
