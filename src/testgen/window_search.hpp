// Which events make a window or correlation match: not guessed, but searched by running the rule itself over short
// sequences of events of one key.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "time/window.hpp"

namespace specql::testgen {

// An event that a test can raise, as the terms count it.
struct CountedKind {
    std::vector<time::WindowValue> values;
    std::set<int> fresh;  // terms whose value is another one with each event
    bool counts(int term) const;
};
// Whether the same terms count both.
bool countAlike(const CountedKind& one, const CountedKind& other);

// `place` tells events apart, and the values that are others each time.
time::WindowEvent eventOf(const CountedKind& kind, time::Micros at, size_t place);

// Numbers of kinds, in the order in which the events come.
using Kinds = std::vector<size_t>;

struct Completed {
    Kinds kinds;                  // the last one makes the match, no earlier one does
    std::optional<size_t> other;  // in its place: an event with which it only just does not match
    double distance = 0;          // of both from the numbers that terms compare with
};

struct WindowFindings {
    // By the term without which the last event would make no match: the shortest, and where a term adds or compares
    // values the one nearest to its number, which may be a little longer.
    std::map<int, Completed> completed, nearest;
    // What matches when its deadline passes, and for each term under NOT the event that prevents it.
    Kinds absent;
    std::map<int, size_t> awaited;
    // What was begun and is not completed in time.
    Kinds unfinished;
};

constexpr size_t longestSearch = 50;

WindowFindings searchWindow(const time::WindowRule& rule, const std::vector<CountedKind>& kinds);

}  // namespace specql::testgen
