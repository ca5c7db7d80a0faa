// Columns, defaults and checks of tables beside what changed entities want of them.
#pragma once

#include "model/table_state.hpp"

namespace specql::catalog {

// Fills `answers` with one for each question. Both must be held; needs an SPI connection. Only reads. What the server
// cannot make sense of beside the table as it is counts as another.
void gatherTableStates(const std::vector<TableQuestion>& questions, std::vector<TableAnswer>* answers);

}  // namespace specql::catalog
