// A test of a window: events are raised and counted one after the other, and the rule is run beside them, which says
// what must come out.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "testgen/window_events.hpp"
#include "time/window_batch.hpp"

namespace specql::testgen {

class WindowPlay {
public:
    // Begins a test with an empty window.
    WindowPlay(WindowEvents& events, const std::string& title);

    // A key of its own; `nobody`: an event says none.
    int key() { return events_.writer.fresh(); }
    static constexpr int nobody = 0;
    // What is to be called before the first event: rows that must be there. `order` of the kinds of events to come.
    void prepare(const std::vector<size_t>& kinds, int key);
    void raise(size_t kind, int key);
    // An event with a key of its kind's own, which is another one.
    void raiseOther(const EventKind& kind);
    // The same values as in the event before, also those that are others each time.
    void repeat(size_t kind, int key);
    // An event that is of no kind: it is not simulated. How it was written.
    Stage::Render raise(const EventKind& kind, int key);
    // Time goes by, from the beginning of the test.
    void moveClock(time::Micros offset);
    // Puts it back: the last statement of a test that moved it.
    void end();
    void count();
    // In the trial alone: nobody else brings events to this window.
    void guard();
    // In the trial alone: nobody refuses what the steps of a failed match do when it is tried again.
    void guardRetry();

    // What the rule says so far.
    size_t matches() const { return found_.size() - timeouts(); }
    size_t timeouts() const;
    const time::WindowFound& last() const { return found_.back(); }

    // Queries and conditions of this test's matches.
    std::string matchCondition(const std::string& alias) const;
    void checkMatches(const std::string& description);
    std::string keyText() const { return keyText_; }  // of the last event's key
    // The row that all events of a source and key are about; null if there is none.
    const Stage::Render* row(size_t source, int key) const {
        auto found = rows_.find({source, key});
        return found == rows_.end() ? nullptr : &found->second;
    }

private:
    // `ownKeys`: keys that are not free are the kind's own, not those that all events have.
    Stage::Render render(const EventKind& kind, int key, bool again, bool ownKeys = false);
    bool writesRow(const EventSource& source) const;
    static std::string tableOf(const EventSource& source);
    bool isReady(const EventSource& source, const std::pair<size_t, int>& place) const;
    bool isThere(const EventSource& source, const std::pair<size_t, int>& place) const;
    void noteKey(const EventSource& source, const Stage::Render& literal);
    void putBack(const EventSource& source, const Stage::Render& literal);
    void fire(const EventSource& source, const Stage::Render& literal);
    void guardRefusals();
    void simulate(const EventKind& kind, int key, bool again);
    void take();

    WindowEvents& events_;
    Writer& writer_;
    const resolve::ResolvedAction& action_;
    time::WindowBatch batch_;
    std::vector<time::WindowFound> found_;
    std::map<std::pair<size_t, int>, Stage::Render> rows_;  // by source and key, where a key has one row
    std::set<std::pair<size_t, int>> used_;                 // of these, those that have had an event
    // By table and key, where it is the row's own: whether the row is there, and the source that wrote it last.
    std::map<std::pair<std::string, int>, std::pair<bool, size_t>> own_;
    std::map<size_t, std::vector<Stage::Render>> prepared_;  // by kind: rows that are there already
    Stage::Render rendered_;
    std::string keyText_;
    size_t raised_ = 0, fresh_ = 0;
    size_t statements_ = 0;  // that raised an event
    time::Micros offset_ = 0;
    bool moved_ = false;
};

// A statement about rows of a test that is no event.
std::vector<std::string> unseen(const std::string& table, const std::string& statement);
// An interval as people write it.
std::string spokenInterval(time::Micros length);

}  // namespace specql::testgen
