// Tests of a window or correlation: its cases, and the steps of its matches.
#include "testgen/window_cases.hpp"
#include "testgen/window_match.hpp"

namespace specql::testgen {

namespace {

// A window that is not much longer than a test takes may end while it runs.
constexpr time::Micros shortest = 10 * 1000000;

// What the events are does not change any more when this is asked.
const WindowFindings& findings(WindowEvents& events) {
    std::map<std::string, WindowFindings>& known = events.writer.suite.windows;
    auto found = known.find(events.name());
    if (found != known.end()) return found->second;
    std::vector<CountedKind> counted;
    for (const EventKind& kind : events.kinds)
        counted.push_back(kind.counted);
    return known.emplace(events.name(), searchWindow(events.rule, counted)).first->second;
}

}  // namespace

void writeWindow(Writer& writer, const resolve::ResolvedAction& action) {
    WindowEvents events(writer, action);
    if (writer.pending()) return;
    const std::string label = action.base;
    for (const time::WindowTermRule& term : events.rule.terms)
        if (term.within < shortest && events.why.empty())
            events.why = "a window of " + spokenInterval(term.within) + " may end while a test runs";
    if (!events.why.empty()) {
        writer.begin(events.name());
        return writer.skip(label + " fires on its window", events.why);
    }
    const WindowFindings& found = findings(events);
    Kinds first;
    for (const auto& [term, one] : found.completed)
        if (first.empty() || one.kinds.size() < first.size()) first = one.kinds;
    // Values are searched before anything is written.
    const time::Micros longest = events.rule.longest();
    MatchSteps inTime(events, false, first.empty() ? found.absent : first, first.empty() ? longest : 0);
    MatchSteps late(events, true, found.unfinished, longest);
    std::vector<WindowCase> filter = filterCases(events, label);
    if (writer.pending()) return;
    inTime.write();
    late.write();
    std::set<std::string> checked;
    for (const std::vector<WindowCase>& rows : {windowCases(events, found, first, label), filter})
        for (const WindowCase& row : rows)
            playCase(events, row, checked);
    if (!first.empty() || !found.absent.empty()) inTime.writeFailure(label);
    writeAnswers(writer, action, 0);
}

}  // namespace specql::testgen
