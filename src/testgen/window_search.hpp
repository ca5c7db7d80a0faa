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

// `place` tells events apart.
time::WindowEvent eventOf(const CountedKind& kind, time::Micros at, size_t place);

struct Completed {
    std::vector<size_t> kinds;    // the last one makes the match, no earlier one does
    std::optional<size_t> other;  // in its place: an event with which it only just does not match
    double distance = 0;          // of both from the numbers that terms compare with
};

struct WindowFindings {
    // By the term that the last event makes hold, and the whole with it: the shortest, and where a term adds or
    // compares values the one nearest to its number, which may be a little longer.
    std::map<int, Completed> completed, nearest;
    // What matches when its deadline passes, and for each term under NOT the event that prevents it.
    std::vector<size_t> absent;
    std::map<int, size_t> awaited;
    // What was begun and is not completed in time.
    std::vector<size_t> unfinished;
};

class WindowSearch : public WindowFindings {
public:
    WindowSearch(const time::WindowRule& rule, const std::vector<CountedKind>& kinds) : rule_(rule), kinds_(kinds) {}

    void run();

    static constexpr size_t longest = 50;

private:
    struct State {
        time::WindowKey key;
        std::vector<size_t> kinds;
    };
    void expand(const State& state, std::vector<State>& next, std::map<int, Completed>& best);
    void deadline(const State& state);
    bool decides(int term, const std::vector<size_t>& kinds) const;
    std::string signature(const time::WindowKey& key) const;
    double distance(const time::WindowKey& key, const time::WindowEvent& last) const;
    bool done() const;
    // Some term's values are compared, and none that is near enough has been found.
    bool nearer() const;

    const time::WindowRule& rule_;
    const std::vector<CountedKind>& kinds_;
    std::set<std::string> seen_;
    size_t work_ = 0;
};

}  // namespace specql::testgen
