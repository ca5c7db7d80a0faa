// The events that a window or correlation counts, as a test can raise them: one source for each listener and operation,
// and for each the kinds of events that its terms tell apart.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "testgen/window_search.hpp"
#include "testgen/writer.hpp"

namespace specql::testgen {

struct EventSource {
    const resolve::ResolvedAction* feed = nullptr;
    unsigned operation = 0;
    std::unique_ptr<Stage> stage;
    std::vector<Arm> arms;                // one for each of the feed's branches
    std::vector<std::string> conditions;  // their FILTERs; empty if a test cannot tell
    std::vector<std::set<int>> keys;      // for each key what it is made of
    bool plainKeys = true;                // each is one value, unlike others when that is
    bool sameRow = false;                 // events of one key are about one row
    bool ownKey = false;                  // because its own key is among them
    std::string why;                      // no event was found

    // The dimensions that a branch's field is made of.
    std::set<int> field(size_t branch) const;
    // Of each key and field, as texts: what the listener hands on.
    std::vector<std::string> keyTexts(const Stage::Render& literal) const;
    std::string fieldText(const resolve::Window& window, size_t branch, const Stage::Render& literal) const;
};

struct EventKind {
    size_t source = 0;
    Fixture fixture;
    CountedKind counted;
    std::string shown;  // values that its terms count: "amount 625"
};

class WindowEvents {
public:
    // Asks for what must be searched; while that is pending nothing else can be relied on.
    WindowEvents(Writer& writer, const resolve::ResolvedAction& action);

    Writer& writer;
    const resolve::ResolvedAction& action;
    const resolve::Window& window;
    time::WindowRule rule;
    std::vector<std::string> keyNames;
    std::vector<EventSource> sources;
    std::vector<EventKind> kinds;
    // Where values of keys are not free: events of another key.
    std::vector<EventKind> otherKeys;

    std::string why;  // nothing can be tested

    std::vector<CountedKind> counted() const;
    // "4 low_stock events, then order_failed"
    std::string phrase(const std::vector<size_t>& kinds) const;
    // The value of a key: number chooses one, for all sources the same.
    std::string keyLiteral(const Dimension& dimension, size_t key, int number) const;
    bool freeKeys(size_t key) const { return !keyTypes_[key].empty(); }

    // Two numbers give two keys.
    bool keysDiffer() const;
    // The kind that a fixture is of; false while it is not known.
    bool kindOf(size_t source, const Fixture& fixture, const std::vector<size_t>& asked, EventKind& kind);
    // Numbers of the branches whose FILTER can be asked.
    std::vector<size_t> askable(const EventSource& source) const;

private:
    void readRule();
    void addSources();
    void readKeys(EventSource& source) const;
    void chooseKeys();
    void findKinds(size_t source);
    void vary(size_t source, size_t branch, int dimension, size_t most);
    void findOtherKey(size_t source, size_t branch);
    void fixKeys(const EventSource& source, const Fixture& fixture);
    void findKind(size_t source, size_t branch, Focus focus);

    std::vector<std::string> keyTypes_;      // empty where values are not free
    std::vector<std::string> keyPatterns_;   // then the value, with or without a place for a number,
    std::vector<std::string> patternTypes_;  // and the type in which it is one
};

}  // namespace specql::testgen
