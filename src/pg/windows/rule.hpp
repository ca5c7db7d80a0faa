// A window or correlation as specql.window_rule has it, and rows of SPI as plain C++.
#pragma once

#include "pg/compat.hpp"
#include "time/window.hpp"

namespace specql::windows {

// Held by a memory context.
struct WindowDefinition {
    std::string action, event;
    std::vector<std::string> keyNames;
    time::WindowRule rule;
};

// Fills the rule's terms from the columns aggregate, is_distinct, has_field, comparison, number, within (microseconds)
// of the last query. An error if a row is not understood.
void readTerms(time::WindowRule* rule);
// The rest of it.
void setRule(time::WindowRule* rule, const char* joined, const char* afterMatch, int64_t cooldown, bool onTimeout);

// Reads it with SPI; false if there is none of this name.
bool loadDefinition(WindowDefinition* definition, const char* action);

namespace window {

// Values of the last query, row from 0, column from 1. `never` is NULL.
int64_t bigint(int row, int column);
time::Micros time(int row, int column);

// Arguments, in the current memory context; `never` becomes NULL.
Datum times(const std::vector<time::Micros>& items);
Datum integers(const std::vector<int>& items);

}  // namespace window

}  // namespace specql::windows
