// Compares columns, defaults and checks of tables with what changed entities define.
#pragma once

#include "model/table_state.hpp"

namespace specql::catalog {

// Fills `answers` with one for each question. Both must be held; needs an SPI connection. A default or check that the
// server cannot analyse for the present table counts as different.
void gatherTableStates(const std::vector<TableQuestion>& questions, std::vector<TableAnswer>* answers);

}  // namespace specql::catalog
