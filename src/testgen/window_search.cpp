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
constexpr double near = 0.0001;
// Without another event beside it that does not match, one is not near.
constexpr double alone = 1e6;

double numberOf(const time::Decimal& decimal) {
    return std::stod(decimal.text());
}

}  // namespace

bool CountedKind::counts(int term) const {
    return std::any_of(values.begin(), values.end(),
                       [&](const time::WindowValue& value) { return value.term == term; });
}

time::WindowEvent eventOf(const CountedKind& kind, time::Micros at, size_t place) {
    std::string digits = std::to_string(place);
    time::WindowEvent event{at, std::string(12 - std::min<size_t>(12, digits.size()), '0') + digits, kind.values};
    for (time::WindowValue& value : event.values)
        if (kind.fresh.count(value.term)) value.text = "value " + digits;
    return event;
}

// States that differ in nothing that the rule can see; the distinct values as they are.
std::string WindowSearch::signature(const time::WindowKey& key) const {
    std::string text = key.held ? "h" : "";
    for (size_t i = 0; i < key.terms.size(); i++) {
        const time::TermState& term = key.terms[i];
        text += ';' + std::to_string(term.count) + (term.newest == time::never ? "" : "n");
        if (rule_.terms[i].aggregate != time::Aggregate::count)
            text += "," + term.sum.text() + (term.below == time::never ? "" : "<") +
                    (term.equal == time::never ? "" : "=") + (term.above == time::never ? "" : ">");
        if (!rule_.terms[i].distinct) continue;
        std::set<std::string> values;
        for (const auto& [value, time] : term.distinct)
            values.insert(value);
        size_t fresh = 0;
        for (const std::string& value : values)
            if (value.compare(0, 6, "value ") == 0)
                fresh++;
            else
                text += "," + value;
        text += "," + std::to_string(fresh);
    }
    return text;
}

double WindowSearch::distance(const time::WindowKey& key, const time::WindowEvent& last) const {
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

void WindowSearch::deadline(const State& state) {
    if (state.key.deadline == time::never) return;
    time::WindowEvaluator evaluator(rule_);
    time::WindowKey key = state.key;
    std::vector<time::WindowMatch> matches;
    evaluator.pass(key, key.deadline, matches);
    if (matches.size() != 1) return;
    if (matches[0].timedOut) {
        if (unfinished.empty()) unfinished = state.kinds;
        return;
    }
    if (!absent.empty()) return;
    absent = state.kinds;
    size_t place = state.kinds.size();
    for (size_t k = 0; k < kinds_.size(); k++) {
        time::WindowKey prevented = state.key;
        std::vector<time::WindowMatch> none;
        evaluator.advance(prevented, eventOf(kinds_[k], static_cast<time::Micros>(place) * step, place), none);
        if (!none.empty() || prevented.deadline == time::never) continue;
        evaluator.pass(prevented, state.key.deadline, none);
        if (!none.empty()) continue;
        for (const time::WindowValue& value : kinds_[k].values)
            if (!rule_.formula.uses(value.term, false)) awaited.emplace(value.term, k);
    }
}

void WindowSearch::expand(const State& state, std::vector<State>& next, std::map<int, Completed>& best) {
    time::WindowEvaluator evaluator(rule_);
    size_t place = state.kinds.size();
    struct Last {
        size_t kind;
        double distance;
    };
    std::vector<Last> inside, beside;
    std::vector<size_t> outside;
    for (size_t k = 0; k < kinds_.size(); k++) {
        State after = state;
        after.kinds.push_back(k);
        std::vector<time::WindowMatch> matches;
        time::WindowEvent event = eventOf(kinds_[k], static_cast<time::Micros>(place) * step, place);
        evaluator.advance(after.key, event, matches);
        if (!matches.empty()) {
            // Consumed: what it was is seen with a rule that keeps it.
            time::WindowRule keeping = rule_;
            keeping.afterMatch = time::AfterMatch::every;
            time::WindowKey kept = state.key;
            std::vector<time::WindowMatch> again;
            time::WindowEvaluator(keeping).advance(kept, event, again);
            inside.push_back({k, distance(kept, event)});
            continue;
        }
        outside.push_back(k);
        if (after.key.held || !seen_.insert(signature(after.key)).second) continue;
        deadline(after);
        next.push_back(std::move(after));
    }
    // Only beside an event that matches the others are of interest.
    for (size_t k : outside) {
        if (inside.empty()) break;
        time::WindowKey key = state.key;
        std::vector<time::WindowMatch> none;
        time::WindowEvent event = eventOf(kinds_[k], static_cast<time::Micros>(place) * step, place);
        evaluator.advance(key, event, none);
        beside.push_back({k, distance(key, event)});
    }
    auto terms = [](const CountedKind& kind) {
        std::set<int> counted;
        for (const time::WindowValue& value : kind.values)
            counted.insert(value.term);
        return counted;
    };
    for (const Last& last : inside) {
        Completed found;
        found.kinds = state.kinds;
        found.kinds.push_back(last.kind);
        found.distance = last.distance + alone;
        for (const Last& other : beside) {
            if (last.distance + other.distance >= found.distance ||
                terms(kinds_[other.kind]) != terms(kinds_[last.kind]))
                continue;
            found.distance = last.distance + other.distance;
            found.other = other.kind;
        }
        for (const time::WindowValue& value : kinds_[last.kind].values) {
            if (!rule_.formula.uses(value.term, false)) continue;
            auto known = best.find(value.term);
            bool better = known == best.end() || found.distance < known->second.distance;
            if (better && decides(value.term, found.kinds)) best[value.term] = found;
        }
    }
}

// Whether the term begins to hold with the last event, and the whole would not hold without it.
bool WindowSearch::decides(int term, const std::vector<size_t>& kinds) const {
    std::vector<bool> holds;
    bool turned = false;
    for (size_t t = 0; t < rule_.terms.size(); t++) {
        time::WindowRule alone = rule_;
        alone.afterMatch = time::AfterMatch::edge;
        alone.cooldown = 0;
        alone.onTimeout = false;
        (void)time::Formula::parse(std::to_string(t + 1), static_cast<int>(rule_.terms.size()), alone.formula);
        time::WindowEvaluator evaluator(alone);
        time::WindowKey key = evaluator.emptyKey();
        std::vector<time::WindowMatch> matches;
        for (size_t i = 0; i < kinds.size(); i++) {
            matches.clear();
            evaluator.advance(key, eventOf(kinds_[kinds[i]], static_cast<time::Micros>(i) * step, i), matches);
        }
        holds.push_back(key.held);
        if (static_cast<int>(t) == term) turned = !matches.empty();
    }
    return turned && !rule_.formula.holds([&](int other, bool negative) {
        return negative || (other != term && holds[static_cast<size_t>(other)]);
    });
}

bool WindowSearch::done() const {
    for (size_t i = 0; i < rule_.terms.size(); i++)
        if (rule_.formula.uses(static_cast<int>(i), false) && !completed.count(static_cast<int>(i))) return false;
    return (!rule_.formula.negates() || !absent.empty()) && (!rule_.onTimeout || !unfinished.empty());
}

bool WindowSearch::nearer() const {
    for (size_t i = 0; i < rule_.terms.size(); i++) {
        if (rule_.terms[i].aggregate == time::Aggregate::count || !rule_.formula.uses(static_cast<int>(i), false))
            continue;
        auto found = nearest.find(static_cast<int>(i));
        if (found == nearest.end() || found->second.distance > near) return true;
    }
    return false;
}

void WindowSearch::run() {
    std::vector<State> states = {{time::WindowEvaluator(rule_).emptyKey(), {}}};
    size_t more = 0;
    for (size_t length = 0; length < longest && !states.empty(); length++) {
        if (work_ > mostWork || (done() && (!nearer() || more++ == mostMore))) break;

        std::vector<State> next;
        std::map<int, Completed> best;
        for (const State& state : states) {
            work_ += kinds_.size();
            if (work_ > mostWork) break;
            expand(state, next, best);
        }

        for (const auto& [term, found] : best) {
            completed.emplace(term, found);
            auto known = nearest.find(term);
            if (known == nearest.end() || found.distance < known->second.distance) nearest[term] = found;
        }
        if (next.size() > mostStates) {
            std::vector<std::pair<double, size_t>> order;
            for (size_t i = 0; i < next.size(); i++)
                order.push_back({distance(next[i].key, eventOf(kinds_[next[i].kinds.back()], 0, 0)), i});
            std::nth_element(order.begin(), order.begin() + mostStates, order.end());
            std::vector<State> kept;
            for (size_t i = 0; i < mostStates; i++)
                kept.push_back(std::move(next[order[i].second]));
            next = std::move(kept);
        }
        states = std::move(next);
    }
}

}  // namespace specql::testgen
