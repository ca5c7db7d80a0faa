// What an owner worker does: the kinds of jobs that specql.owner_work() gives, each for one action, table or view.
#pragma once

#include <cstdint>

namespace specql::worker {

// One kind of work for one action (of upkeep: what it is called), as specql.owner_work() gives it.
struct Job {
    const char* kind;
    const char* action;
    int64_t dueMs;
};

// Does a part of the job's work. Returns for how many milliseconds to leave it alone then.
int runJob(const Job* job);

}  // namespace specql::worker
