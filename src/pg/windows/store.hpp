// One run of a window or correlation: loads waiting events and the state of their keys, and stores the new state.
#pragma once

#include "pg/base/server.hpp"
#include "pg/windows/rule.hpp"
#include "time/window_batch.hpp"

namespace specql::windows {

// A row of specql.window_entry that was loaded, with its ctid as text.
struct StoredEntry {
    std::string key;
    int term;  // from 0
    time::Micros at;
    std::string ctid;
};

// What a match has from the event that completes it, as text; empty for NULL.
struct EventBaggage {
    std::string traceparent, settings;
};

// Which of the waiting events are counted.
enum class CountedEvents {
    committed,      // of transactions before the horizon, in the order of time and id
    ownTransaction  // of the current transaction
};

// To be held by a memory context. Texts are UTF-8.
struct WindowRun {
    WindowDefinition definition;
    time::WindowBatch batch{definition.rule};
    std::vector<time::WindowInput> inputs;
    std::vector<std::string> ctids;  // of the inputs, in specql.window_event
    std::vector<StoredEntry> stored;
    // By their ids, of those that have some: of the inputs, and of the event of each key that was its latest before.
    std::map<std::string, EventBaggage> baggageOfEvents;
    FullTransactionId horizon = {0};     // all transactions before this one have ended
    bool more = false;                   // the limit has left out events that may be counted
    time::Micros blockedAt = INT64_MAX;  // time of the first event that waits for an open transaction
    CountedEvents counted = CountedEvents::committed;
    bool discardMatches = false;  // in a rebuild: matches are not raised

    // Columns of parameters. They are members so that the memory context frees them after an error of the server.
    std::vector<std::string> keys, texts, details, numbers;
    std::vector<int> terms;
    std::vector<time::Micros> times, consumedTimes, matchedTimes, deadlines, forgottenTimes;
    int64_t suppressedBefore = 0;
    void clearColumns();
};

// The oldest transaction that was open, for WindowRun::horizon; to be called before loadEvents(). It also stores, for
// each deadline that has come, the transaction after which it counts as passed.
FullTransactionId findHorizon(const char* action, time::Micros now);
// Loads up to `limit` events until `now` that may be counted, in their order; stops at the first that may not.
void loadEvents(WindowRun* run, time::Micros now, int64_t limit);
// Loads up to `limit` keys whose deadline has passed, and returns how many. A deadline passes when all transactions
// that were open at it have ended, because they may bring the awaited event; the events before it must have been
// counted. With ownTransaction only the clock decides.
int64_t loadDeadlines(WindowRun* run, time::Micros now, int64_t limit);
// Loads the state of the keys of the inputs, or without inputs of the keys in run->batch.keys.
void loadKeys(WindowRun* run);

// Adds the stored members to a match, and counts them. A match has the ids of at most the newest `mostMembers` events.
void completeMatch(WindowRun* run, time::WindowFound* found);
constexpr int mostMembers = 1000;

// The baggage of a match that is complete: that of the event that completes it or, if a deadline does, of the last of
// its events. nullptr if it has none.
const EventBaggage* baggageOf(const WindowRun* run, const time::WindowFound* found);

// Deletes the counted events, and stores entries, keys and statistics.
void saveRun(WindowRun* run);

}  // namespace specql::windows
