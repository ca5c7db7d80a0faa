// Time-ordered unique identifiers, RFC 9562 version 7, and random numbers.
#pragma once

#include "pg/base/server.hpp"

namespace specql {

// A new identifier: 48 bits of Unix milliseconds, 12 bits of their fraction, 62 random bits. Within a backend each one
// is greater than the one before, even if the clock is set back.
void newUuid(pg_uuid_t* uuid);

// The id of a delivery of an event's data: its first ten bytes are the event's, so that an index of such ids finds
// those of an event. Within a backend, those of one event grow.
void newDeliveryUuid(const pg_uuid_t* event, pg_uuid_t* uuid);

// Any number from the smallest on and below the largest; of two that are equal, that one.
int64_t randomBetween(int64_t smallest, int64_t largest);

}  // namespace specql
