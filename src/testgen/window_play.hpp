// A test of a window is a row of a table: events with their times, and what must be seen. What that is the rule itself
// says, which is run beside the events.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "testgen/window_events.hpp"

namespace specql::testgen {

struct CaseEvent {
    EventKind kind;
    int key = 0;  // a number of the case's own
    // It comes a second time: with the values that are others each time, or as the very same statement.
    enum class Again { no, values, statement } again = Again::no;

    static constexpr int nobody = -1;  // the event says no key
};

// What a check looks at: the matches so far, what the last one says of itself, or events that are not yet counted.
enum class Look { matches, lastMatch, timeouts, waiting };

// Events that come at one time, so long after the beginning of the test, and what must be seen then.
struct Phase {
    std::vector<CaseEvent> events;
    time::Micros at = 0;
    std::string description = {};  // of the check; empty: nothing is looked at
    size_t expected = 0;           // what the description says; where the rule says otherwise there is nothing to check
    Look look = Look::matches;
};

struct WindowCase {
    std::vector<Phase> phases;
    std::string why = {};       // there is no test, only its description
    bool withoutSteps = false;  // what they do to the rows that the events come from is another matter
};

// What the rule says after a phase.
struct Said {
    size_t matches = 0, timeouts = 0, waiting = 0;
    time::WindowMatch last = {};

    size_t of(Look look) const;
};
std::vector<Said> simulate(const time::WindowRule& rule, const std::vector<Phase>& phases);

// Writes a case, unless the rule says nothing of what it would check, or others have checked it: `checked`.
void playCase(WindowEvents& events, const WindowCase& row, std::set<std::string>& checked);

// The statements of one test.
class WindowPlay {
public:
    // Begins with an empty window.
    WindowPlay(WindowEvents& events, const std::string& title);

    void raise(const std::vector<CaseEvent>& events);
    // So much time has gone by since the beginning of the test; whether that is more than before.
    bool moveClock(time::Micros at);
    void count();
    void check(const Phase& phase, const Said& said);
    // In the trial alone: nobody else brings events to this window, or refuses what the steps of a failed match do when
    // it is tried again.
    void guard();
    void guardRetry();
    // The match is handled by something else than its handler.
    void putAside(const std::string& body);
    void putBack();
    // The last statements of every test.
    void end();

    // The number that makes the values of a key.
    int number(int key);
    // SQL of the last event's key, and a condition for the matches of this test.
    const std::string& keyText() const { return keyText_; }
    std::string matchCondition(const std::string& alias) const;

private:
    Stage::Render render(const CaseEvent& event);
    void writeRows(const EventSource& source, bool again);
    void guardRefusals();

    WindowEvents& events_;
    Writer& writer_;
    std::map<int, int> numbers_;
    std::set<int> used_;      // keys that have had an event
    Stage::Render rendered_;  // the last event
    std::string keyText_;
    size_t statements_ = 0;  // that raised an event
    time::Micros at_ = 0;
    bool aside_ = false;
};

// The events of these kinds, of one key.
std::vector<CaseEvent> eventsOf(const WindowEvents& events, const Kinds& kinds);
// Values of some dimensions, in place of others.
Stage::Render replaced(Stage::Render base, std::map<int, std::string> values);
// Makes of a row, if it is there, what the stage says of it; `columns` tell which row it is.
std::vector<std::string> rewrite(const Stage& stage, const PlannedRow& row, const std::vector<std::string>& columns,
                                 const Stage::Render& literal);
std::string perform(const std::string& call);
// An interval as people write it.
std::string spokenInterval(time::Micros length);

}  // namespace specql::testgen
