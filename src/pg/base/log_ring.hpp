// The event log is a ring of partitions. Each takes the events of one span of time in turn, so that old events are
// dropped by truncating a partition. src/schema/28-event-log.sql explains.
#pragma once

namespace specql {

constexpr int logPartitionCount = 8;

// The number of the partition that takes the events of this moment.
int currentLogSlot();
// The name of a partition, without its schema.
const char* logPartition(int slot);
// The name of its index of the ids.
const char* logIdIndex(int slot);

}  // namespace specql
