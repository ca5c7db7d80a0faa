// Fixed SQL of ours through SPI, with plain data in and out.
#pragma once

#include "pg/compat.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace specql::spi {

void connect();
void finish();

// A text[] of strings given in UTF-8; in the current memory context.
Datum textArray(const std::vector<std::string>& items);
// A text of a string given in UTF-8.
Datum text(const std::string& value);

// One argument of query().
struct Argument {
    Oid type;
    Datum value;
};

// Runs one command with a fresh snapshot and returns how many rows it gave or touched; rows are read with cell().
int query(const char* sql, std::initializer_list<Argument> arguments = {});

// A value of the last query() as text in UTF-8; nullptr is NULL. Row from 0, column from 1.
const char* cell(int row, int column);
// The same for a boolean column; NULL is false.
bool flag(int row, int column);
int number(int row, int column);

}  // namespace specql::spi
