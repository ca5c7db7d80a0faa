// Time-ordered unique identifiers: RFC 9562 version 7.
#pragma once

#include "pg/base/server.hpp"

namespace specql {

// A new identifier: 48 bits of Unix milliseconds, 12 bits of their fraction, 62 random bits. Within a backend each one
// is greater than the one before, even if the clock is set back.
void newUuid(pg_uuid_t* uuid);

}  // namespace specql
