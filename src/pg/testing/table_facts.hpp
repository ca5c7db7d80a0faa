// Reads from the catalog what the rows of tables must satisfy.
#pragma once

#include "pg/compat.hpp"
#include "testgen/table_facts.hpp"

namespace specql::testing {

// Of these tables and all that they refer to. Needs an SPI connection; all three must be held.
void gatherTestTables(const std::vector<std::string>* schemas, const std::vector<std::string>* names,
                      testgen::TestTables* tables);

}  // namespace specql::testing
