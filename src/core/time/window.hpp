// Windows and correlations: what a condition over events in time says of a sequence of events. Pure arithmetic; times
// are microseconds and arguments.
//
// The window at time t is (t - within, t]. What must be known of one key is a WindowKey: it is fed the key's events in
// the order of (time, id) and answers with matches. The work for one event does not depend on how many events a window
// holds: sums and counts grow by what comes and shrink by what leaves.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "time/decimal.hpp"
#include "time/formula.hpp"

namespace specql::time {

using Micros = int64_t;
constexpr Micros never = INT64_MIN;

enum class Aggregate { count, sum, avg, min, max };
enum class Comparison { less, lessEqual, equal, notEqual, greaterEqual, greater };
enum class AfterMatch {
    consume,  // the events so far are used up
    edge,     // once, until the condition has ceased to hold
    every     // with each event under which the condition holds
};

struct WindowTermRule {
    Aggregate aggregate = Aggregate::count;
    bool distinct = false;
    bool hasField = false;  // events without a value do not count
    Comparison comparison = Comparison::greaterEqual;
    Decimal number;
    Micros within = 0;
};

struct WindowRule {
    std::vector<WindowTermRule> terms;
    Formula formula;
    AfterMatch afterMatch = AfterMatch::consume;
    Micros cooldown = 0;
    bool onTimeout = false;  // what was not completed in time is told too

    Micros longest() const;
    // How long an event can matter for its key.
    Micros memory() const;
    // Time alone can change what holds: something awaited did not come.
    bool hasDeadlines() const { return onTimeout || formula.negates(); }
};

// An event as one term counts it.
struct WindowValue {
    int term = 0;
    bool present = false;  // of the field; without a field it does not matter
    std::string text;
};

struct WindowEvent {
    Micros at = 0;
    std::string id;
    std::vector<WindowValue> values;
};

struct WindowEntry {
    Micros at = 0;
    std::string id;
    Decimal value;
    bool stored = false;  // outside there is a copy of it
};

struct TermState {
    int64_t count = 0;  // events in the window
    Decimal sum;
    Micros newest = never;
    // MIN and MAX: when a value below, at and above the condition's number came last.
    Micros below = never, equal = never, above = never;
    // COUNT(DISTINCT): the values that came last and when, oldest first; no more than the comparison can tell apart.
    std::vector<std::pair<std::string, Micros>> distinct;
    // Oldest first. Of those outside, the first and all that leave the window during this run must be here.
    std::deque<WindowEntry> entries;
};

struct WindowMatch {
    Micros at = 0;                 // of the event that completed it, or the deadline
    std::string lastId;            // that event; empty if a deadline did
    int64_t count = 0;             // members among `ids` and outside; right if each event counts for one term
    std::vector<std::string> ids;  // members that are not outside, in their order
    Micros firstAt = 0;            // of them all
    bool takesStored = false;      // members outside: those of each term within (cutoff - within, upTo]
    Micros cutoff = 0, upTo = INT64_MAX;
    bool timedOut = false;
};

struct WindowKey {
    std::vector<TermState> terms;
    Micros latest = never;  // of the events seen
    std::string latestId;
    Micros consumedAt = never;  // events up to this one belong to a match that was
    std::string consumedId;
    Micros matchedAt = never;
    Micros deadline = never;
    bool held = false;  // the condition, after the last event
    int64_t matches = 0, suppressed = 0;
    // Not kept: what happened in this run.
    bool stored = false;       // there are entries outside
    bool dropStored = false;   // they were used up
    Micros expiredAt = never;  // entries outside that had left the window by then are of no use
    int64_t late = 0;          // events older than one seen before
    int64_t unusable = 0;      // values that are no number
};

// Runs one rule over keys. The rule must outlive it.
class WindowEvaluator {
public:
    explicit WindowEvaluator(const WindowRule& rule) : rule_(rule) {}

    WindowKey emptyKey() const;
    // Takes in the key's next event; deadlines before it pass first. An event that is older than the latest counts as
    // of the latest's time, if it is still within the window then.
    void advance(WindowKey& key, const WindowEvent& event, std::vector<WindowMatch>& matches) const;
    // Lets time pass up to `now`: every event before it has been given to advance().
    void pass(WindowKey& key, Micros now, std::vector<WindowMatch>& matches) const;
    // After this time the key is as good as one never seen.
    Micros forgottenAfter(const WindowKey& key) const;

private:
    void expire(WindowKey& key, Micros at) const;
    bool add(TermState& state, const WindowTermRule& term, const WindowEvent& event, const WindowValue& value) const;
    bool termHolds(const TermState& state, const WindowTermRule& term, Micros at) const;
    bool holds(const WindowKey& key, Micros at) const;
    bool holdsAtDeadline(const WindowKey& key) const;
    Micros firstPositive(const WindowKey& key) const;
    void setDeadline(WindowKey& key) const;
    void match(WindowKey& key, WindowMatch match, std::vector<WindowMatch>& matches) const;
    void consume(WindowKey& key, Micros at, const std::string& id) const;

    const WindowRule& rule_;
};

}  // namespace specql::time
