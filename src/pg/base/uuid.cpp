#include "pg/base/uuid.hpp"

#include <ctime>

#include "pg/bridge/entry.hpp"

namespace specql {

namespace {

// How many bytes of a delivery's id are those of its event's.
constexpr int sharedBytes = 10;

// Random bytes for many identifiers, to make few calls of the operating system. The pool is filled again in a process
// that was forked, which would otherwise use the same bytes as its parent.
struct RandomPool {
    uint8_t bytes[1024];
    size_t used = sizeof bytes;
    int pid = 0;
};
RandomPool pool;

uint64_t lastTick = 0;

const uint8_t* randomBytes(size_t count) {
    if (pool.used + count > sizeof pool.bytes || pool.pid != MyProcPid) {
        if (!pg_strong_random(pool.bytes, sizeof pool.bytes))
            ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
        pool.used = 0;
        pool.pid = MyProcPid;
    }
    const uint8_t* result = pool.bytes + pool.used;
    pool.used += count;
    return result;
}

// Milliseconds in the upper 48 of 60 bits, 1/4096 of them (a quarter of a microsecond) in the lower 12.
uint64_t nextTick() {
    timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t nanoseconds = static_cast<uint64_t>(now.tv_nsec);
    uint64_t milliseconds = static_cast<uint64_t>(now.tv_sec) * 1000 + nanoseconds / 1000000;
    uint64_t tick = (milliseconds << 12) | ((nanoseconds % 1000000) * 4096 / 1000000);
    lastTick = tick > lastTick ? tick : lastTick + 1;
    return lastTick;
}

}  // namespace

void newUuid(pg_uuid_t* uuid) {
    uint64_t tick = nextTick();
    const uint8_t* random = randomBytes(8);
    for (int i = 0; i < 6; ++i)
        uuid->data[i] = static_cast<unsigned char>(tick >> (52 - 8 * i));
    uuid->data[6] = static_cast<unsigned char>(0x70 | ((tick >> 8) & 0x0f));
    uuid->data[7] = static_cast<unsigned char>(tick);
    memcpy(uuid->data + 8, random, 8);
    uuid->data[8] = static_cast<unsigned char>(0x80 | (uuid->data[8] & 0x3f));
}

void newDeliveryUuid(const pg_uuid_t* event, pg_uuid_t* uuid) {
    // 42 bits of time, which is a fortnight, and six random ones.
    uint64_t own = (nextTick() << 6) | (*randomBytes(1) & 0x3f);
    memcpy(uuid->data, event->data, sharedBytes);
    for (int i = sharedBytes; i < UUID_LEN; ++i)
        uuid->data[i] = static_cast<unsigned char>(own >> (8 * (UUID_LEN - 1 - i)));
}

int64_t randomBetween(int64_t smallest, int64_t largest) {
    uint32_t random;
    memcpy(&random, randomBytes(sizeof random), sizeof random);
    return smallest +
           static_cast<int64_t>(static_cast<double>(random) / 4294967296.0 * static_cast<double>(largest - smallest));
}

SPECQL_FUNCTION(specql_uuid_v7) {
    pg_uuid_t* uuid = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t)));
    newUuid(uuid);
    PG_RETURN_UUID_P(uuid);
}

static Datum endOfDeliveries(FunctionCallInfo fcinfo, int byte) {
    pg_uuid_t* uuid = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t)));
    memcpy(uuid->data, PG_GETARG_UUID_P(0)->data, sharedBytes);
    memset(uuid->data + sharedBytes, byte, UUID_LEN - sharedBytes);
    PG_RETURN_UUID_P(uuid);
}

SPECQL_FUNCTION(specql_first_delivery) {
    return endOfDeliveries(fcinfo, 0);
}
SPECQL_FUNCTION(specql_last_delivery) {
    return endOfDeliveries(fcinfo, 0xff);
}

// specql.reaction_id(event, number): the number is XORed into the last four random bytes of the event's id, so that
// equal arguments give equal ids, and other numbers other ids.
SPECQL_FUNCTION(specql_reaction_id) {
    const pg_uuid_t* event = PG_GETARG_UUID_P(0);
    pg_uuid_t* uuid = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t)));
    *uuid = *event;
    auto number = static_cast<uint32_t>(PG_GETARG_INT32(1));
    for (int i = 0; i < 4; ++i)
        uuid->data[15 - i] ^= static_cast<unsigned char>(number >> (8 * i));
    PG_RETURN_UUID_P(uuid);
}

}  // namespace specql
