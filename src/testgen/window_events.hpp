// The events that a window or correlation counts, as a test can raise them: one source for each listener and operation,
// and for each the kinds of events that its terms tell apart.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "testgen/window_search.hpp"
#include "testgen/writer.hpp"

namespace specql::testgen {

// A key of the window, which its events may know under several names and types.
struct EventKey {
    std::string name;
    std::string type;     // in which a test writes its values
    bool free = true;     // any value of the type will do
    std::string pattern;  // else the value that one event was found to have, maybe with a place for a number
};

struct EventSource {
    const resolve::ResolvedAction* feed = nullptr;
    std::unique_ptr<Stage> stage;
    std::vector<Arm> arms;                // one for each term that counts the event
    std::vector<std::string> conditions;  // their FILTERs
    std::vector<int> keys;                // dimensions; -1 for a key that is computed
    std::vector<std::string> oneRow;      // if all events of a key are about one row: its columns that are the key
    std::string why;                      // no event was found

    const std::string& name() const { return feed->source; }
    const Dimension& dimension(int which) const { return stage->scenario.dimensions[static_cast<size_t>(which)]; }
    const resolve::FeedTerm& term(size_t branch) const { return *feed->branches[branch].feed; }
    // The dimensions that a branch's field is made of.
    std::set<int> field(size_t branch) const;
    // SQL of the key and of a field, as the listener hands them on.
    std::string keyText(const Stage::Render& literal) const;
    std::string fieldText(const resolve::Window& window, size_t branch, const Stage::Render& literal) const;
};

struct EventKind {
    const EventSource* source = nullptr;
    Fixture fixture;
    CountedKind counted;
    std::string shown;    // values that its terms count: "amount 625"
    bool ownKey = false;  // a key that is not free has the fixture's value, not that of all events
};

class WindowEvents {
public:
    // Asks for what must be searched; while that is pending nothing else can be relied on.
    WindowEvents(Writer& writer, const resolve::ResolvedAction& action);

    Writer& writer;
    const resolve::ResolvedAction& action;
    const resolve::Window& window;
    time::WindowRule rule;
    std::vector<EventKey> keys;
    std::vector<EventSource> sources;
    std::vector<EventKind> kinds;
    std::vector<EventKind> otherKeys;  // where keys are not free: events of another key
    std::string why;                   // nothing can be tested

    std::string name() const { return action.info->name(); }
    std::string keyNames() const;
    // The value of a key: a number chooses one, for all sources the same.
    std::string keyLiteral(const EventKey& key, const Dimension& dimension, int number) const;
    // Two numbers give two keys.
    bool keysDiffer() const;
    // "4 low_stock events, then order_failed"
    std::string phrase(const Kinds& kinds) const;

private:
    void readRule();
    void addSources();
    void readKeys(EventSource& source) const;
    void chooseType(size_t key);
    void findKinds(EventSource& source);
    void findKind(EventSource& source, size_t branch, Focus focus, bool otherKey = false);
    std::optional<EventKind> kindOf(const EventSource& source, const Fixture& fixture);
};

// The columns of a row that are keys, if only one row can have the same.
std::vector<std::string> keyColumns(const PlannedRow& row, const std::vector<int>& keys);

}  // namespace specql::testgen
