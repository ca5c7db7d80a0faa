#include "testgen/window_cases.hpp"

#include <algorithm>

#include "text/quote.hpp"

namespace specql::testgen {

namespace {

// So much less is still within a length of time, however long the test takes.
time::Micros justWithin(time::Micros length) {
    return length - std::max(length / 10, std::min<time::Micros>(length / 2, 5000000));
}

std::string timesMore(size_t matches) {
    return matches == 0 ? "no more" : matches == 1 ? "again" : std::to_string(matches) + " times more";
}

class Cases {
public:
    Cases(const WindowEvents& events, const WindowFindings& found, const Kinds& first, const std::string& label)
        : events_(events),
          found_(found),
          first_(first),
          label_(label),
          longest_(events.rule.longest()),
          keys_(events.keyNames()) {
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

    void add(const std::string& title, std::vector<Phase> phases) { rows.push_back({title, std::move(phases)}); }
    void skip(const std::string& title, const std::string& description, const std::string& why) {
        rows.push_back({title, {{{}, 0, description}}, why});
    }
    // The events, and one more.
    Events all(const Kinds& kinds, int key = 0) const { return eventsOf(events_, kinds, key); }
    Events butLast(const Kinds& kinds) const { return all({kinds.begin(), kinds.end() - 1}); }
    Events butLast(const Kinds& kinds, CaseEvent last) const {
        Events events = butLast(kinds);
        events.push_back(std::move(last));
        return events;
    }
    CaseEvent one(size_t kind, int key = 0, Again again = Again::no) const { return {events_.kinds[kind], key, again}; }
    std::string phrase(const Kinds& kinds) const { return events_.phrase(kinds); }

    // What could not be found is said, event by event and term by term.
    void missing() {
        std::set<std::string> said;
        for (const EventSource& source : events_.sources)
            if (!source.why.empty() && said.insert(source.name()).second)
                skip("its events", label_ + " counts " + source.name(), source.why);
        for (size_t i = 0; i < events_.rule.terms.size(); i++) {
            const int term = static_cast<int>(i);
            // A deadline completes what no event does.
            bool found = found_.completed.count(term) ||
                         std::any_of(found_.absent.begin(), found_.absent.end(),
                                     [&](size_t kind) { return events_.kinds[kind].counted.counts(term); });
            if (found || !events_.rule.formula.uses(term, false)) continue;
            const std::string shown = commentText(events_.window.terms[i].written.value);
            skip(shown, label_ + " fires with " + shown,
                 "no events were found that make it match by this, up to " + std::to_string(WindowSearch::longest));
        }
    }

    void completing(const Kinds& kinds) {
        std::vector<Phase> phases;
        if (kinds.size() > 1)
            phases.push_back(
                {butLast(kinds), 0, label_ + " does not fire on " + phrase({kinds.begin(), kinds.end() - 1}), 0});
        phases.push_back({{one(kinds.back())}, 0, label_ + " fires once on " + phrase(kinds), 1});
        phases.push_back({{},
                          0,
                          label_ + " knows its events" + (keys_.empty() ? "" : ", and " + keys_) + ": " + phrase(kinds),
                          1,
                          Look::lastMatch});
        add(phrase(kinds), std::move(phases));
    }

    // Events with which it only just matches, and only just does not.
    void bothSides(const Kinds& kinds, size_t other) {
        Kinds others = kinds;
        others.back() = other;
        add(phrase(kinds), {{all(kinds), 0, label_ + " fires once on " + phrase(kinds), 1}});
        add(phrase(others), {{all(others), 0, label_ + " does not fire on " + phrase(others), 0}});
    }

    void afterMatch() {
        std::vector<Phase> phases = {{all(first_)}, {{one(first_.front())}}};
        if (first_.size() > 1) phases.push_back({all({first_.begin() + 1, first_.end()})});
        const std::vector<Said> said = simulate(events_.rule, phases);
        for (size_t i = 1; i < phases.size(); i++) {
            const size_t since = said[i].matches - said[i - 1].matches;
            phases[i].expected = said[i].matches;
            phases[i].description = "after a match " + label_ +
                                    (i > 1       ? " fires " + timesMore(since) + " on the same events once more"
                                     : since > 0 ? " fires again with one more " + phrase({first_.front()})
                                                 : " does not fire with one more " + phrase({first_.front()}));
        }
        rows.push_back({"after a match", std::move(phases), "", true});
    }

    void cooldown() {
        const time::Micros length = events_.rule.cooldown;
        const std::string shown = commentText(events_.action.info->spec->cooldown.value);
        for (bool over : {false, true}) {
            std::string description = label_ + (over ? " fires again " + shown + " after a match"
                                                     : " keeps quiet within " + shown + " of a match");
            Phase again{all(first_), over ? length : justWithin(length), description};
            again.expected = simulate(events_.rule, {{all(first_)}, again}).back().matches;
            rows.push_back({std::string("cooldown, ") + (over ? "over" : "not over"),
                            {{all(first_)}, std::move(again)},
                            "",
                            true});
        }
    }

    // The value of the last event but one comes again.
    void distinct() {
        for (size_t i = 0; i < events_.rule.terms.size(); i++) {
            const int term = static_cast<int>(i);
            if (!events_.rule.terms[i].distinct || !events_.kinds[first_.back()].counted.counts(term)) continue;
            const size_t before = first_[first_.size() - 2];
            bool fresh = events_.kinds[first_.back()].counted.fresh.count(term) > 0;
            add("a value again",
                {{butLast(first_, one(before, 0, fresh ? Again::values : Again::no)), 0,
                  label_ + " does not count a " + commentText(events_.window.terms[i].field.value) + " twice", 0}});
        }
    }

    void keys() {
        if (keys_.empty()) return;
        const size_t last = first_.back();
        const std::string description = label_ + " does not add up events of different " + keys_;
        if (!events_.keysDiffer()) return fewKeys(description);
        add("keys", {{butLast(first_, one(last, 1)), 0, description, 0},
                     {{one(last)}, 0, label_ + " keeps the events of each " + keys_ + " apart", 1}});
        // Only a custom event can come without.
        const EventSource& source = *events_.kinds[last].source;
        if (source.feed->binding.custom)
            add("an event without a key", {{butLast(first_, one(last, CaseEvent::nobody)), 0,
                                            label_ + " does not count " + source.name() + " without " + keys_, 0}});
    }

    // Of keys with few values there may be one more that the FILTER allows.
    void fewKeys(const std::string& description) {
        const EventKind& last = events_.kinds[first_.back()];
        for (const EventKind& other : events_.otherKeys)
            if (other.source == last.source && countAlike(other.counted, last.counted))
                return add("keys", {{butLast(first_, {other, 1}), 0, description, 0}});
        skip("keys", description, "no other value of its key was found");
    }

    // The last event comes later.
    void later(const Kinds& kinds) {
        std::set<time::Micros> lengths;
        for (const time::WindowTermRule& term : events_.rule.terms)
            lengths.insert(term.within);
        for (time::Micros length : lengths)
            for (bool inside : {false, true}) {
                const time::Micros at = inside ? justWithin(length) : length;
                add((inside ? "just within " : "beyond ") + spokenInterval(length),
                    {{butLast(kinds)},
                     {{one(kinds.back())},
                      at,
                      label_ + (inside ? " fires when the last of " : " does not fire when the last of ") +
                          phrase(kinds) + " comes " + spokenInterval(at) + " later",
                      inside ? 1u : 0u}});
            }
    }

    void absence() {
        const Kinds& kinds = found_.absent;
        if (kinds.empty()) {
            if (events_.rule.formula.negates())
                skip("absence", label_ + " fires at its deadline", "no events were found that make it match");
            return;
        }
        const std::string length = spokenInterval(longest_);
        add("what is awaited does not come",
            {{all(kinds)},
             {{}, justWithin(longest_), label_ + " does not fire within " + length + " of " + phrase(kinds), 0},
             {{}, longest_, label_ + " fires once when " + length + " have passed since " + phrase(kinds), 1}});
        for (const auto& [term, kind] : found_.awaited) {
            Events both = all(kinds), other = both;
            both.push_back(one(kind));
            other.push_back(one(kind, 1));
            add("what is awaited comes",
                {{both}, {{}, longest_, label_ + " does not fire when " + phrase({kind}) + " comes in time", 0}});
            if (!keys_.empty() && events_.keysDiffer())
                add("what is awaited comes for another key",
                    {{other},
                     {{},
                      longest_,
                      label_ + " fires though " + phrase({kind}) + " of another " + keys_ + " comes",
                      1}});
        }
    }

    void timeout() {
        if (!events_.rule.onTimeout) return;
        const Kinds& kinds = found_.unfinished;
        if (kinds.empty())
            return skip("timeout", label_ + " tells what is not completed", "no events were found that begin it");
        const std::string length = spokenInterval(longest_);
        add("not completed in time",
            {{all(kinds)},
             {{},
              justWithin(longest_),
              label_ + " does not give up within " + length + " of " + phrase(kinds),
              0,
              Look::timeouts},
             {{}, longest_, label_ + " gives up once, " + length + " after " + phrase(kinds), 1, Look::timeouts}});
    }

    const WindowEvents& events_;
    const WindowFindings& found_;
    const Kinds& first_;
    const std::string& label_;
    const time::Micros longest_;
    const std::string keys_;
};

}  // namespace

std::vector<WindowCase> windowCases(const WindowEvents& events, const WindowFindings& found, const Kinds& first,
                                    const std::string& label) {
    return Cases(events, found, first, label).rows;
}

}  // namespace specql::testgen
