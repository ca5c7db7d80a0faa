#include "pg/base/log_ring.hpp"

#include "pg/base/event_settings.hpp"
#include "pg/base/server.hpp"

namespace specql {

namespace {

const char* const partitions[logPartitionCount] = {"event_log_0", "event_log_1", "event_log_2", "event_log_3",
                                                   "event_log_4", "event_log_5", "event_log_6", "event_log_7"};
const char* const idIndexes[logPartitionCount] = {"event_log_0_id_idx", "event_log_1_id_idx", "event_log_2_id_idx",
                                                  "event_log_3_id_idx", "event_log_4_id_idx", "event_log_5_id_idx",
                                                  "event_log_6_id_idx", "event_log_7_id_idx"};

}  // namespace

int currentLogSlot() {
    int64_t width = static_cast<int64_t>(settings::eventRetention) * USECS_PER_SEC / (logPartitionCount - 2);
    return static_cast<int>((GetCurrentTimestamp() / width) % logPartitionCount);
}

const char* logPartition(int slot) {
    return partitions[slot];
}

const char* logIdIndex(int slot) {
    return idIndexes[slot];
}

}  // namespace specql
