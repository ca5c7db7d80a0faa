#include "testgen/window_search.hpp"

#include <algorithm>
#include <cmath>

namespace specql::testgen {

namespace {

// Beyond this many states of one length only those nearest to the numbers are followed.
constexpr size_t mostStates = 500;
// Events that are tried at all.
constexpr size_t mostWork = 20000;
constexpr time::Micros step = 1000;
// How much longer than the shortest events those may be that come nearest to a number.
constexpr size_t mostMore = 3;
// Without another event beside it that does not match, one is not near; even less is one that other terms need as well.
constexpr double alone = 1e6, shared = 1e7;

const std::string freshValue = "value ";

double numberOf(const time::Decimal& decimal) {
    return std::stod(decimal.text());
}

// The same for states that differ in nothing that the rule can see.
std::string signature(const time::WindowKey& key) {
    std::string text;
    for (const time::TermState& term : key.terms) {
        text += std::to_string(term.count) + "," + term.sum.text();
        for (time::Micros newest : {term.newest, term.below, term.equal, term.above})
            text += newest == time::never ? "-" : "+";
        std::multiset<std::string> values;
        for (const auto& [value, at] : term.distinct)
            values.insert(value.compare(0, freshValue.size(), freshValue) == 0 ? freshValue : value);
        for (const std::string& value : values)
            text += "," + value;
        text += ';';
    }
    return text;
}

class WindowSearch {
public:
    WindowSearch(time::WindowRule rule, const std::vector<CountedKind>& kinds)
        : rule_(std::move(rule)), evaluator_(rule_), kinds_(kinds) {
        rule_.afterMatch = time::AfterMatch::every;
    }

    void run() {
        const bool compares = std::any_of(rule_.terms.begin(), rule_.terms.end(), [](const time::WindowTermRule& term) {
            return term.aggregate != time::Aggregate::count;
        });
        std::vector<State> states = {{evaluator_.emptyKey(), {}, 0}};
        size_t more = 0;
        for (size_t length = 1; length <= longestSearch && !states.empty(); length++) {
            std::vector<State> next;
            for (const State& state : states)
                if (work_ <= mostWork) expand(state, next);
            if (foundAll() && (!compares || more++ == mostMore)) return;
            if (next.size() > mostStates) {
                std::stable_sort(next.begin(), next.end(),
                                 [](const State& one, const State& other) { return one.distance < other.distance; });
                next.resize(mostStates);
            }
            states = std::move(next);
        }
    }

    WindowFindings findings;

private:
    // What the rule knows after some events that have not made a match.
    struct State {
        time::WindowKey key;
        Kinds kinds;
        double distance = 0;
    };

    bool foundAll() const {
        for (size_t i = 0; i < rule_.terms.size(); i++)
            if (rule_.formula.uses(static_cast<int>(i), false) && !findings.completed.count(static_cast<int>(i)))
                return false;
        return (!rule_.formula.negates() || !findings.absent.empty()) &&
               (!rule_.onTimeout || !findings.unfinished.empty());
    }

    std::vector<time::WindowMatch> advance(time::WindowKey& key, const time::WindowEvent& event) const {
        std::vector<time::WindowMatch> matches;
        evaluator_.advance(key, event, matches);
        return matches;
    }

    // Tries each kind of event as the next one.
    void expand(const State& state, std::vector<State>& next) {
        const size_t place = state.kinds.size();
        std::vector<State> matching, others;
        for (size_t kind = 0; kind < kinds_.size(); kind++) {
            State after = state;
            after.kinds.push_back(kind);
            time::WindowEvent event = eventOf(kinds_[kind], static_cast<time::Micros>(place) * step, place);
            bool matches = !advance(after.key, event).empty();
            after.distance = distance(after.key, event);
            (matches ? matching : others).push_back(std::move(after));
            work_++;
        }
        for (const State& after : matching)
            complete(state, after, others);
        for (State& after : others) {
            if (!seen_.insert(signature(after.key)).second) continue;
            passDeadline(after);
            next.push_back(std::move(after));
        }
    }

    void complete(const State& before, const State& after, const std::vector<State>& others) {
        const CountedKind& kind = kinds_[after.kinds.back()];
        Completed found{after.kinds, {}, after.distance + alone};
        for (const State& other : others) {
            double both = after.distance + other.distance;
            if (both >= found.distance || !countAlike(kind, kinds_[other.kinds.back()])) continue;
            found.distance = both;
            found.other = other.kinds.back();
        }
        const size_t place = before.kinds.size();
        for (const time::WindowValue& value : kind.values) {
            const int term = value.term;
            auto matchesWith = [&](bool rest, bool own) {
                time::WindowKey key = before.key;
                time::WindowEvent event = eventOf(kind, static_cast<time::Micros>(place) * step, place);
                event.values.erase(
                    std::remove_if(event.values.begin(), event.values.end(),
                                   [&](const time::WindowValue& one) { return !(one.term == term ? own : rest); }),
                    event.values.end());
                return !advance(key, event).empty();
            };
            if (!rule_.formula.uses(term, false) || matchesWith(true, false)) continue;
            Completed last = found;
            if (!matchesWith(false, true)) last.distance += shared;
            Completed& shortest = findings.completed.emplace(term, last).first->second;
            if (last.kinds.size() == shortest.kinds.size() && last.distance < shortest.distance) shortest = last;
            Completed& near = findings.nearest.emplace(term, last).first->second;
            if (last.distance < near.distance) near = last;
        }
    }

    // How far the values of the terms are from the numbers that they are compared with.
    double distance(const time::WindowKey& key, const time::WindowEvent& last) const {
        double sum = 0;
        for (size_t i = 0; i < key.terms.size(); i++) {
            const time::WindowTermRule& term = rule_.terms[i];
            const time::TermState& state = key.terms[i];
            if (term.aggregate == time::Aggregate::count || state.count == 0) continue;
            double number = numberOf(term.number), value = numberOf(state.sum);
            if (term.aggregate == time::Aggregate::avg) value /= static_cast<double>(state.count);
            if (term.aggregate == time::Aggregate::min || term.aggregate == time::Aggregate::max) {
                value = number;
                for (const time::WindowValue& own : last.values)
                    if (own.term == static_cast<int>(i) && !own.text.empty())
                        value = std::strtod(own.text.c_str(), nullptr);
            }
            sum += std::fabs(value - number) / std::max(1.0, std::fabs(number));
        }
        return sum;
    }

    // Nothing more comes.
    void passDeadline(const State& state) {
        if (state.key.deadline == time::never) return;
        time::WindowKey key = state.key;
        std::vector<time::WindowMatch> matches;
        evaluator_.pass(key, key.deadline, matches);
        if (matches.size() != 1) return;
        if (matches[0].timedOut) {
            if (findings.unfinished.empty()) findings.unfinished = state.kinds;
        } else if (findings.absent.empty()) {
            findings.absent = state.kinds;
            findAwaited(state);
        }
    }

    void findAwaited(const State& state) {
        const size_t place = state.kinds.size();
        for (size_t kind = 0; kind < kinds_.size(); kind++) {
            time::WindowKey key = state.key;
            time::WindowEvent event = eventOf(kinds_[kind], static_cast<time::Micros>(place) * step, place);
            std::vector<time::WindowMatch> matches = advance(key, event);
            if (key.deadline == time::never) continue;
            evaluator_.pass(key, state.key.deadline, matches);
            if (!matches.empty()) continue;
            for (const time::WindowValue& value : event.values)
                if (!rule_.formula.uses(value.term, false)) findings.awaited.emplace(value.term, kind);
        }
    }

    time::WindowRule rule_;  // every event under which it holds makes a match: only the first one is of interest
    time::WindowEvaluator evaluator_;
    const std::vector<CountedKind>& kinds_;
    std::set<std::string> seen_;
    size_t work_ = 0;
};

}  // namespace

bool countAlike(const CountedKind& one, const CountedKind& other) {
    return std::equal(
        one.values.begin(), one.values.end(), other.values.begin(), other.values.end(),
        [](const time::WindowValue& left, const time::WindowValue& right) { return left.term == right.term; });
}

bool CountedKind::counts(int term) const {
    return std::any_of(values.begin(), values.end(),
                       [&](const time::WindowValue& value) { return value.term == term; });
}

time::WindowEvent eventOf(const CountedKind& kind, time::Micros at, size_t place) {
    std::string digits = std::to_string(place);
    time::WindowEvent event{at, std::string(12 - std::min<size_t>(12, digits.size()), '0') + digits, kind.values};
    for (time::WindowValue& value : event.values)
        if (kind.fresh.count(value.term)) value.text = freshValue + digits;
    return event;
}

WindowFindings searchWindow(const time::WindowRule& rule, const std::vector<CountedKind>& kinds) {
    WindowSearch search(rule, kinds);
    search.run();
    return std::move(search.findings);
}

}  // namespace specql::testgen
