// Locks of a kind that SQL cannot take (its advisory locks are of the kinds 1 and 2), so that nobody is in the way of
// the workers. They are locks of this database.
#pragma once

#include <cstdint>

namespace specql {

// What is locked. specql.worker_pids() and specql.owner_workers() in 50-deliveries.sql know these numbers.
enum class Lock : uint32_t {
    place = 1936749411,   // of a worker, from 1
    owner = 1936749413,   // for whom an owner worker works: the role
    window = 1936749414,  // a hash of its name
};

// For as long as this process lives, if nobody has it; false if somebody does. Taken again, it is held once.
bool takeLock(Lock lock, uint32_t number);
// Is it held by no session, or by this one? May be asked at any time in a transaction.
bool isFree(Lock lock, uint32_t number);
// Until the end of the transaction. False if another session has it, and this one is not to wait.
bool lockForTransaction(Lock lock, uint32_t number, bool wait);

}  // namespace specql
