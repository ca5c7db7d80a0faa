// The coordinating worker's side of owner workers: it starts one for each role with work, in turn.
#pragma once

#include "pg/base/background_worker.hpp"

extern "C" {
#include "storage/dsm.h"
}

namespace specql::worker {

// How an owner worker has come along. The coordinator learns nothing else of one that has ended.
enum class OwnerState : uint8_t { starting, connected, ended };

constexpr int maxOwnerWorkers = 256;

// What the coordinator and the owner workers that it has started know of each other, in shared memory.
struct OwnersBoard {
    volatile bool wanted;  // roles wait for a slot: who has had his turn, or has nothing to do, makes room
    volatile OwnerState states[maxOwnerWorkers];
};

// What an owner worker is told, in bgw_extra.
struct OwnerOrder {
    Oid owner;
    bool restricted;  // connected as superuser, it runs the owner's code in restricted calls
    int slot;         // of the board
    dsm_handle board;
};

// Starts workers for roles whose work is due, as many as may run and there are slots for; those that had their turn
// longest ago first. In how many milliseconds to come again at the latest; -1 if there is no telling.
int64_t startOwners();

}  // namespace specql::worker
