// Windows and correlations: evaluates a condition over the events of a time span. Pure computation; times are
// arguments, in microseconds.
//
// The window at time t is (t - within, t]. The state of one key is a WindowKey. It is given the key's
// events in the order of (time, id), and returns matches. The work for one event does not depend on how many events a
// window holds: sums and counts grow by what comes and shrink by what leaves.
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
    bool onTimeout = false;  // a correlation that is not completed in time gives a match too

    // The longest `within` of a term.
    Micros longest() const;
    // How long an event can matter for its key.
    Micros memory() const;
    // Can the passing of time alone make a match, because an event did not come?
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
    bool stored = false;  // it is in the database
};

struct TermState {
    int64_t count = 0;  // events in the window
    Decimal sum;
    Micros newest = never;
    // For MIN and MAX: the time of the newest value below, equal to and above the number of the condition.
    Micros below = never, equal = never, above = never;
    // For COUNT(DISTINCT): the newest values with their times, oldest first; no more than the comparison needs.
    std::vector<std::pair<std::string, Micros>> distinct;
    // Oldest first. Of the stored entries, the first and all that leave the window during this run must be loaded.
    std::deque<WindowEntry> entries;
};

struct WindowMatch {
    Micros at = 0;                 // of the event that completed it, or the deadline
    std::string lastId;            // that event; empty if a deadline did
    int64_t count = 0;             // members, stored ones included; exact if each event counts for one term only
    std::vector<std::string> ids;  // members that are not stored, in their order
    Micros firstAt = 0;            // of them all
    bool takesStored = false;      // stored members belong to it: those of each term within (cutoff - within, upTo]
    Micros cutoff = 0, upTo = INT64_MAX;
    bool timedOut = false;
};

struct WindowKey {
    std::vector<TermState> terms;
    Micros latest = never;  // of the events seen
    std::string latestId;
    Micros consumedAt = never;  // events up to this one were used up by a match
    std::string consumedId;
    Micros matchedAt = never;
    Micros deadline = never;
    bool held = false;  // the condition, after the last event; with `edge` also an absence that was told and goes on
    int64_t matches = 0, suppressed = 0;
    // The rest belongs to one run and is not stored.
    bool stored = false;       // there are stored entries
    bool dropStored = false;   // the stored entries were used up and must be deleted
    Micros expiredAt = never;  // stored entries that had left the window by then must be deleted
    int64_t late = 0;          // events older than one seen before
    int64_t unusable = 0;      // values that are no number
};

// Runs one rule over keys. The rule must outlive it.
class WindowEvaluator {
public:
    explicit WindowEvaluator(const WindowRule& rule) : rule_(rule) {}

    WindowKey emptyKey() const;
    // Adds the next event of the key, after passing the deadlines before it. A late event, which is older than the
    // latest one, is evaluated at the time of the latest, and ignored if it is not within the window then.
    void advance(WindowKey& key, const WindowEvent& event, std::vector<WindowMatch>& matches) const;
    // Lets time pass up to `now`: every event before it has been given to advance().
    void pass(WindowKey& key, Micros now, std::vector<WindowMatch>& matches) const;
    // The time after which the state of the key has no effect, so that it may be deleted.
    Micros forgottenAfter(const WindowKey& key) const;

private:
    void expire(WindowKey& key, Micros at) const;
    bool add(TermState& state, const WindowTermRule& term, const WindowEvent& event, const WindowValue& value) const;
    bool termHolds(const TermState& state, const WindowTermRule& term, Micros at) const;
    bool holds(const WindowKey& key, Micros at) const;
    bool holdsAtDeadline(const WindowKey& key) const;
    bool absenceGoesOn(const WindowKey& key) const;
    Micros firstPositive(const WindowKey& key) const;
    void setDeadline(WindowKey& key) const;
    void match(WindowKey& key, WindowMatch match, std::vector<WindowMatch>& matches) const;
    void consume(WindowKey& key, Micros at, const std::string& id) const;

    const WindowRule& rule_;
};

}  // namespace specql::time
