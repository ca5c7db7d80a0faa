// The definition of a window or correlation, read from specql.window_rule, and helpers for SPI.
#pragma once

#include "pg/compat.hpp"
#include "time/window.hpp"

namespace specql::windows {

// To be held by a memory context. Texts are UTF-8.
struct WindowDefinition {
    std::string action, event;
    std::vector<std::string> keyNames;
    time::WindowRule rule;
};

// Adds the terms of a rule from the rows of the last query: aggregate, distinct, has a field, comparison, number,
// within (microseconds). Raises an error if a row is not understood.
void readTerms(time::WindowRule* rule);
// Sets the rest of a rule that has its terms; `cooldown` is in microseconds. Raises an error if a text is not
// understood.
void completeRule(time::WindowRule* rule, const char* joined, const char* afterMatch, int64_t cooldown, bool onTimeout);

// Reads the definition of an action's window, given by name in UTF-8; false if it has none. Needs an SPI connection.
bool loadDefinition(WindowDefinition* definition, const char* action);

// Values of the last query; rows count from 0, columns from 1. NULL gives 0, and as a time `never`.
int64_t bigintCell(int row, int column);
time::Micros timeCell(int row, int column);

// Arrays as arguments of queries, in the current memory context; `never` becomes NULL.
Datum timeArray(const std::vector<time::Micros>& items);
Datum integerArray(const std::vector<int>& items);

}  // namespace specql::windows
