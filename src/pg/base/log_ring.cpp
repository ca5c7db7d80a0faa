#include "pg/base/log_ring.hpp"

#include "pg/base/event_settings.hpp"
#include "pg/base/server.hpp"

namespace specql {

namespace {

constexpr int partitionCount = 8;
const char* const partitions[partitionCount] = {"event_log_0", "event_log_1", "event_log_2", "event_log_3",
                                                "event_log_4", "event_log_5", "event_log_6", "event_log_7"};

}  // namespace

int currentLogSlot() {
    int64_t width = static_cast<int64_t>(settings::eventRetention) * USECS_PER_SEC / (partitionCount - 2);
    return static_cast<int>((GetCurrentTimestamp() / width) % partitionCount);
}

const char* logPartition(int slot) {
    return partitions[slot];
}

}  // namespace specql
