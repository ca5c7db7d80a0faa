// One run over a window or correlation: the waiting events, what is kept of their keys, and what is written back.
#pragma once

#include "pg/base/server.hpp"
#include "pg/windows/rule.hpp"
#include "time/window_batch.hpp"

namespace specql::windows {

// A row of specql.window_entry that was loaded.
struct StoredEntry {
    std::string key;
    int term;  // from 0
    time::Micros at;
    std::string place;
};

// Which of the waiting events may be counted.
enum class Counted {
    committed,  // of transactions before the horizon, one after the other
    own         // those that this transaction itself has brought
};

// Held by a memory context. Texts are UTF-8.
struct WindowRun {
    WindowDefinition definition;
    time::WindowBatch batch{definition.rule};
    std::vector<time::WindowInput> inputs;
    std::vector<std::string> places;  // of the inputs in specql.window_event
    std::vector<StoredEntry> stored;
    FullTransactionId horizon = {0};     // transactions before this one have ended
    bool more = false;                   // events wait that were left out only because there are many
    time::Micros blockedAt = INT64_MAX;  // the first event that waits for a transaction
    Counted counted = Counted::committed;
    bool quiet = false;  // a rebuild: matches run no steps

    // Columns of arguments, kept here so that errors of the server leave nothing behind.
    std::vector<std::string> keys, texts, others, numbers;
    std::vector<int> terms;
    std::vector<time::Micros> times, ends, marks, lasts, forgotten;
    int64_t suppressedBefore = 0;
    void clearColumns();
};

// To be asked before loadEvents: notes which deadlines have come, and which transactions have certainly ended.
FullTransactionId findHorizon(const char* action, time::Micros now);
// Takes in up to `limit` events that happened until `now` and whose turn it is.
void loadEvents(WindowRun* run, time::Micros now, int64_t limit);
// The keys whose deadline has certainly passed; up to `limit`. All events that the horizon makes certain have been
// counted. Of its own events a transaction knows for certain, as soon as the clock says so.
int64_t loadDeadlines(WindowRun* run, time::Micros now, int64_t limit);
// What is kept of the keys that the inputs (or, without inputs, run->batch.keys) are about.
void loadKeys(WindowRun* run);

// The members of a match: all ids, or the newest thousand. Fills count and firstAt.
void completeMatch(WindowRun* run, time::WindowFound* found);
constexpr int mostMembers = 1000;

void saveRun(WindowRun* run);

}  // namespace specql::windows
