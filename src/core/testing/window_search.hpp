// Which events make a window or correlation match: not guessed, but searched by running the rule itself over short
// sequences of events of one key.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "policy/window.hpp"

namespace specql {

// An event that a test can raise, as the terms count it.
struct CountedKind {
    std::vector<WindowValue> values;
    std::set<int> fresh;  // terms whose value is another one with each event
    bool counts(int term) const;
};

// `place` tells events apart.
WindowEvent eventOf(const CountedKind& kind, Micros at, size_t place);

struct Completed {
    std::vector<size_t> kinds;    // the last one makes the match, no earlier one does
    std::optional<size_t> other;  // in its place: the event with which it only just does not match
};

class WindowSearch {
public:
    WindowSearch(const WindowRule& rule, const std::vector<CountedKind>& kinds) : rule_(rule), kinds_(kinds) {}

    void run();

    // By the term that the last event counts for: those that do not stand under NOT alone.
    std::map<int, Completed> completed;
    // What matches when its deadline passes, and for each term under NOT the event that prevents it.
    std::vector<size_t> absent;
    std::map<int, size_t> awaited;
    // What was begun and is not completed in time.
    std::vector<size_t> unfinished;

    static constexpr size_t longest = 50;

private:
    struct State {
        WindowKey key;
        std::vector<size_t> kinds;
    };
    // Of those of one length the one nearest to the terms' numbers.
    struct Best {
        Completed found;
        double distance = 0;
    };

    void expand(const State& state, std::vector<State>& next, std::map<int, Best>& best);
    void deadline(const State& state);
    std::string signature(const WindowKey& key) const;
    double distance(const WindowKey& key, const WindowEvent& last) const;
    bool done() const;

    const WindowRule& rule_;
    const std::vector<CountedKind>& kinds_;
    std::set<std::string> seen_;
};

}  // namespace specql
