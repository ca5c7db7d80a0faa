#include "testgen/window_cases.hpp"

#include <algorithm>

#include "text/quote.hpp"

namespace specql::testgen {

namespace {

// So much less is still within a length of time, however long the test takes.
time::Micros justWithin(time::Micros length) {
    return length - std::max(length / 10, std::min<time::Micros>(length / 2, 5000000));
}

class Cases {
public:
    Cases(const WindowEvents& events, const WindowFindings& found, const Kinds& first, const std::string& label)
        : events_(events), found_(found), first_(first), label_(label), keys_(events.keyNames()) {
        missing();
        std::set<Kinds> completed;
        for (const auto& [term, one] : found.completed)
            if (completed.insert(one.kinds).second) completing(one.kinds);
        for (const auto& [term, one] : found.nearest)
            if (one.other) bothSides(one.kinds, *one.other);
        if (!first.empty()) events.rule.cooldown > 0 ? cooldown() : afterMatch();
        if (first.size() > 1) {
            distinct();
            keys();
        }
        for (const Kinds& kinds : completed)
            if (kinds.size() > 1) later(kinds);
        absence();
        timeout();
    }

    std::vector<WindowCase> rows;

private:
    using Again = CaseEvent::Again;
    using Events = std::vector<CaseEvent>;

    void add(std::vector<Phase> phases) { rows.push_back({std::move(phases)}); }
    void addWithoutSteps(std::vector<Phase> phases) { rows.push_back({std::move(phases), "", true}); }
    void skip(const std::string& description, const std::string& why) {
        rows.push_back({{seen({}, 0, description, 0)}, why});
    }
    static Phase seen(Events events, time::Micros at, const std::string& description, size_t expected,
                      Look look = Look::matches) {
        return {std::move(events), at, description, expected, look};
    }

    CaseEvent one(size_t kind, int key = 0, Again again = Again::no) const { return {events_.kinds[kind], key, again}; }
    Events all(const Kinds& kinds) const { return eventsOf(events_, kinds); }
    static Kinds butLast(const Kinds& kinds) { return {kinds.begin(), kinds.end() - 1}; }
    static Events with(Events events, CaseEvent last) {
        events.push_back(std::move(last));
        return events;
    }
    std::string phrase(const Kinds& kinds) const { return events_.phrase(kinds); }
    std::string fires(const Kinds& kinds) const { return label_ + " fires once on " + phrase(kinds); }
    std::string doesNotFire(const Kinds& kinds) const { return label_ + " does not fire on " + phrase(kinds); }

    // What could not be found is said, event by event and term by term.
    void missing() {
        std::set<std::string> said;
        for (const EventSource& source : events_.sources)
            if (!source.why.empty() && said.insert(source.name()).second)
                skip(label_ + " counts " + source.name(), source.why);
        for (size_t i = 0; i < events_.rule.terms.size(); i++) {
            const int term = static_cast<int>(i);
            // A deadline completes what no event does.
            bool found = found_.completed.count(term) ||
                         std::any_of(found_.absent.begin(), found_.absent.end(),
                                     [&](size_t kind) { return events_.kinds[kind].counted.counts(term); });
            if (!found && events_.rule.formula.uses(term, false))
                skip(label_ + " fires with " + commentText(events_.window.terms[i].written.value),
                     "no events were found that make it match by this, up to " + std::to_string(longestSearch));
        }
    }

    void completing(const Kinds& kinds) {
        const Kinds before = butLast(kinds);
        const std::string knows = label_ + " knows its events" + (keys_.empty() ? "" : ", and " + keys_) + ": ";
        add({seen(all(before), 0, before.empty() ? "" : doesNotFire(before), 0),
             seen({one(kinds.back())}, 0, fires(kinds), 1), seen({}, 0, knows + phrase(kinds), 1, Look::lastMatch)});
    }

    // Events with which it only just matches, and only just does not.
    void bothSides(const Kinds& kinds, size_t other) {
        Kinds others = kinds;
        others.back() = other;
        add({seen(all(kinds), 0, fires(kinds), 1)});
        add({seen(all(others), 0, doesNotFire(others), 0)});
    }

    void afterMatch() {
        std::vector<Phase> phases = {{all(first_)}, {{one(first_.front())}}, {all({first_.begin() + 1, first_.end()})}};
        const std::vector<Said> said = simulate(events_.rule, phases);
        const size_t soon = said[1].matches - said[0].matches, later = said[2].matches - said[1].matches;
        phases[1].expected = said[1].matches;
        phases[1].description = "after a match " + label_ +
                                (soon > 0 ? " fires again with one more " : " does not fire with one more ") +
                                phrase({first_.front()});
        phases[2].expected = said[2].matches;
        if (first_.size() > 1)
            phases[2].description = "after a match " + label_ + " fires " +
                                    (later == 0   ? "no more"
                                     : later == 1 ? "again"
                                                  : std::to_string(later) + " times more") +
                                    " on the same events once more";
        addWithoutSteps(std::move(phases));
    }

    void cooldown() {
        const time::Micros length = events_.rule.cooldown;
        const std::string shown = commentText(events_.action.info->spec->cooldown.value);
        addWithoutSteps(
            {{all(first_)},
             seen(all(first_), justWithin(length), label_ + " keeps quiet within " + shown + " of a match", 1)});
        addWithoutSteps(
            {{all(first_)}, seen(all(first_), length, label_ + " fires again " + shown + " after a match", 2)});
    }

    // The value of the last event but one comes again.
    void distinct() {
        const CountedKind& last = events_.kinds[first_.back()].counted;
        const size_t before = first_[first_.size() - 2];
        for (size_t i = 0; i < events_.rule.terms.size(); i++) {
            const int term = static_cast<int>(i);
            if (!events_.rule.terms[i].distinct || !last.counts(term)) continue;
            CaseEvent again = one(before, 0, last.fresh.count(term) ? Again::values : Again::no);
            const std::string field = commentText(events_.window.terms[i].field.value);
            add({seen(with(all(butLast(first_)), again), 0, label_ + " does not count a " + field + " twice", 0)});
        }
    }

    void keys() {
        if (keys_.empty()) return;
        const Events before = all(butLast(first_));
        const size_t last = first_.back();
        const std::string differ = label_ + " does not add up events of different " + keys_;
        if (!events_.keysDiffer()) return fewKeys(before, events_.kinds[last], differ);
        add({seen(with(before, one(last, 1)), 0, differ, 0),
             seen({one(last)}, 0, label_ + " keeps the events of each " + keys_ + " apart", 1)});
        // Only a custom event can come without.
        const EventSource& source = *events_.kinds[last].source;
        if (source.feed->binding.custom)
            add({seen(with(before, one(last, CaseEvent::nobody)), 0,
                      label_ + " does not count " + source.name() + " without " + keys_, 0)});
    }

    // Of keys with few values there may be one more that the FILTER allows.
    void fewKeys(const Events& before, const EventKind& last, const std::string& differ) {
        for (const EventKind& other : events_.otherKeys)
            if (other.source == last.source && countAlike(other.counted, last.counted))
                return add({seen(with(before, {other, 1}), 0, differ, 0)});
        skip(differ, "no other value of its key was found");
    }

    // The last event comes later.
    void later(const Kinds& kinds) {
        std::set<time::Micros> lengths;
        for (const time::WindowTermRule& term : events_.rule.terms)
            lengths.insert(term.within);
        auto at = [&](time::Micros time, const char* does, size_t expected) {
            add({{all(butLast(kinds))},
                 seen(
                     {one(kinds.back())}, time,
                     label_ + does + " when the last of " + phrase(kinds) + " comes " + spokenInterval(time) + " later",
                     expected)});
        };
        for (time::Micros length : lengths) {
            at(length, " does not fire", 0);
            at(justWithin(length), " fires", 1);
        }
    }

    // Nothing before the deadline, then once.
    void deadline(const Kinds& kinds, const std::string& notYet, const std::string& once, Look look) {
        const time::Micros longest = events_.rule.longest();
        add({{all(kinds)}, seen({}, justWithin(longest), notYet, 0, look), seen({}, longest, once, 1, look)});
    }

    void absence() {
        const Kinds& kinds = found_.absent;
        const time::Micros longest = events_.rule.longest();
        const std::string length = spokenInterval(longest);
        if (kinds.empty()) {
            if (events_.rule.formula.negates())
                skip(label_ + " fires at its deadline", "no events were found that make it match");
            return;
        }
        deadline(kinds, label_ + " does not fire within " + length + " of " + phrase(kinds),
                 label_ + " fires once when " + length + " have passed since " + phrase(kinds), Look::matches);
        for (const auto& [term, kind] : found_.awaited) {
            const std::string awaited = phrase({kind});
            add({{with(all(kinds), one(kind))},
                 seen({}, longest, label_ + " does not fire when " + awaited + " comes in time", 0)});
            if (!keys_.empty() && events_.keysDiffer())
                add({{with(all(kinds), one(kind, 1))},
                     seen({}, longest, label_ + " fires though " + awaited + " of another " + keys_ + " comes", 1)});
        }
    }

    void timeout() {
        const Kinds& kinds = found_.unfinished;
        const std::string length = spokenInterval(events_.rule.longest());
        if (!events_.rule.onTimeout) return;
        if (kinds.empty()) return skip(label_ + " tells what is not completed", "no events were found that begin it");
        deadline(kinds, label_ + " does not give up within " + length + " of " + phrase(kinds),
                 label_ + " gives up once, " + length + " after " + phrase(kinds), Look::timeouts);
    }

    const WindowEvents& events_;
    const WindowFindings& found_;
    const Kinds& first_;
    const std::string& label_;
    const std::string keys_;
};

}  // namespace

std::vector<WindowCase> windowCases(const WindowEvents& events, const WindowFindings& found, const Kinds& first,
                                    const std::string& label) {
    return Cases(events, found, first, label).rows;
}

}  // namespace specql::testgen
