// Runs fixed SQL through SPI, with plain data as arguments and results.
#pragma once

#include "pg/compat.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace specql::spi {

// SPI_connect() and SPI_finish(), with an error if they fail. Between them the current memory context is that of SPI.
void connect();
void finish();

// A text[] of strings given in UTF-8; in the current memory context.
Datum textArray(const std::vector<std::string>& items);
// A text of a string given in UTF-8; in the current memory context.
Datum text(const std::string& value);

// One argument of query().
struct Argument {
    Oid type;
    Datum value;
};

// Runs one command, with a new snapshot, and returns SPI_processed. The result stays in SPI_tuptable until the next
// command or finish(). At most 16 arguments, none of them NULL.
int query(const char* sql, std::initializer_list<Argument> arguments = {});

// A value of the last query() as text in UTF-8, in the current memory context; nullptr for NULL. Rows count from 0,
// columns from 1.
const char* cell(int row, int column);
// The same for a boolean column; NULL gives false.
bool flag(int row, int column);
// The same for an integer column; NULL gives 0.
int number(int row, int column);

}  // namespace specql::spi
