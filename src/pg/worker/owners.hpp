// How the coordinating worker (number 1) starts an owner worker for each role with work, and what the two share.
#pragma once

#include "pg/base/background_worker.hpp"

extern "C" {
#include "storage/dsm.h"
}

namespace specql::worker {

// The progress of an owner worker, from which the coordinator concludes why one has ended.
enum class OwnerState : uint8_t { starting, connected, ended };

constexpr int maxOwnerWorkers = 256;

// The shared memory of the coordinator and the owner workers that it has started.
struct OwnerWorkersState {
    volatile bool wanted;  // roles wait for a slot: workers that are idle, or whose turn is over, must end
    volatile OwnerState states[maxOwnerWorkers];
};

// The arguments of an owner worker, in bgw_extra.
struct OwnerWorkerArguments {
    Oid owner;
    bool restricted;  // connect as the bootstrap superuser, and run the code in restricted calls
    int slot;         // of the board
    dsm_handle shared;
};

// Starts workers for the roles whose work is due, up to specql.owner_workers; the roles whose last worker was started
// longest ago come first. Returns in how many milliseconds to call it again at the latest; -1 if nothing is known to be
// due.
int64_t startOwners();

}  // namespace specql::worker
