#include "time/window.hpp"

#include <algorithm>
#include <tuple>

namespace specql::time {

namespace {

bool holdsFor(int order, Comparison comparison) {
    switch (comparison) {
        case Comparison::less: return order < 0;
        case Comparison::lessEqual: return order <= 0;
        case Comparison::equal: return order == 0;
        case Comparison::notEqual: return order != 0;
        case Comparison::greaterEqual: return order >= 0;
        case Comparison::greater: return order > 0;
    }
    return false;
}

// Does the comparison hold for the least (greatest) value? Known is only whether the window has values beyond the
// number in that direction (`beyond`), equal to it, and on its other side (`inward`).
bool extremeCompares(bool beyond, bool equal, bool inward, Comparison outward) {
    switch (outward) {
        case Comparison::greater: return beyond;
        case Comparison::greaterEqual: return beyond || equal;
        case Comparison::equal: return equal && !beyond;
        case Comparison::notEqual: return beyond || (inward && !equal);
        case Comparison::lessEqual: return (equal || inward) && !beyond;
        case Comparison::less: return inward && !equal && !beyond;
    }
    return false;
}

Comparison mirrored(Comparison comparison) {
    switch (comparison) {
        case Comparison::less: return Comparison::greater;
        case Comparison::lessEqual: return Comparison::greaterEqual;
        case Comparison::greaterEqual: return Comparison::lessEqual;
        case Comparison::greater: return Comparison::less;
        default: return comparison;
    }
}

// The number of distinct values to keep: with more of them the comparison gives the same result.
size_t distinguishableValues(const WindowTermRule& term) {
    int64_t number = term.number.floor();
    return static_cast<size_t>(std::clamp<int64_t>(number, 0, INT32_MAX)) + 2;
}

void recordDistinct(std::vector<std::pair<std::string, Micros>>& values, const std::string& value, Micros at,
                    size_t most) {
    auto known = std::find_if(values.begin(), values.end(), [&](const auto& item) { return item.first == value; });
    if (known != values.end()) {
        at = std::max(at, known->second);
        values.erase(known);
    }
    auto position = std::upper_bound(values.begin(), values.end(), at,
                                     [](Micros time, const auto& item) { return time < item.second; });
    values.insert(position, {value, at});
    if (values.size() > most) values.erase(values.begin());
}

bool earlier(const WindowEntry& left, const WindowEntry& right) {
    return left.at != right.at ? left.at < right.at : left.id < right.id;
}

}  // namespace

Micros WindowRule::longest() const {
    Micros longest = 0;
    for (const WindowTermRule& term : terms)
        longest = std::max(longest, term.within);
    return longest;
}

Micros WindowRule::memory() const {
    return std::max(formula.negates() ? 2 * longest() : longest(), cooldown);
}

WindowKey WindowEvaluator::emptyKey() const {
    WindowKey key;
    key.terms.resize(rule_.terms.size());
    return key;
}

Micros WindowEvaluator::forgottenAfter(const WindowKey& key) const {
    Micros after = never;
    for (Micros time : {key.latest, key.matchedAt, key.deadline})
        if (time != never) after = std::max(after, time + rule_.memory());
    return after;
}

// Removes the entries that have left the window at this time.
void WindowEvaluator::expire(WindowKey& key, Micros at) const {
    key.expiredAt = std::max(key.expiredAt, at);
    for (size_t i = 0; i < key.terms.size(); i++) {
        TermState& state = key.terms[i];
        Micros bound = at - rule_.terms[i].within;
        while (!state.entries.empty() && state.entries.front().at <= bound) {
            state.count--;
            state.sum -= state.entries.front().value;
            state.entries.pop_front();
        }
        auto& distinct = state.distinct;
        auto live =
            std::find_if(distinct.begin(), distinct.end(), [&](const auto& item) { return item.second > bound; });
        distinct.erase(distinct.begin(), live);
    }
}

// False if the event has no value that the term could count.
bool WindowEvaluator::add(TermState& state, const WindowTermRule& term, const WindowEvent& event,
                          const WindowValue& value) const {
    WindowEntry entry{event.at, event.id, Decimal(), false};
    if (term.hasField && !value.present) return true;
    if (term.aggregate != Aggregate::count) {
        if (!Decimal::parse(value.text, entry.value)) return false;
        int order = entry.value.compare(term.number);
        Micros& side = order < 0 ? state.below : order > 0 ? state.above : state.equal;
        side = std::max(side, event.at);
    }
    if (term.distinct) recordDistinct(state.distinct, value.text, event.at, distinguishableValues(term));
    state.newest = std::max(state.newest, event.at);
    state.count++;
    state.sum += entry.value;
    state.entries.insert(std::upper_bound(state.entries.begin(), state.entries.end(), entry, earlier), entry);
    return true;
}

bool WindowEvaluator::termHolds(const TermState& state, const WindowTermRule& term, Micros at) const {
    Micros bound = at - term.within;
    switch (term.aggregate) {
        case Aggregate::count: {
            int64_t count = term.distinct ? static_cast<int64_t>(state.distinct.size()) : state.count;
            return holdsFor(Decimal(count).compare(term.number), term.comparison);
        }
        case Aggregate::sum: return state.count > 0 && holdsFor(state.sum.compare(term.number), term.comparison);
        case Aggregate::avg:
            return state.count > 0 && holdsFor(state.sum.compare(term.number, state.count), term.comparison);
        case Aggregate::max:
            return extremeCompares(state.above > bound, state.equal > bound, state.below > bound, term.comparison);
        case Aggregate::min:
            return extremeCompares(state.below > bound, state.equal > bound, state.above > bound,
                                   mirrored(term.comparison));
    }
    return false;
}

// A term under NOT counts as holding, because its event may still come before the deadline.
bool WindowEvaluator::holds(const WindowKey& key, Micros at) const {
    return rule_.formula.holds(
        [&](int term, bool negative) { return negative || termHolds(key.terms[term], rule_.terms[term], at); });
}

// At the deadline no further event can be within a window with the events that came. An event under NOT only counts if
// it is within the window that ends with the newest of the other events.
bool WindowEvaluator::holdsAtDeadline(const WindowKey& key) const {
    Micros newest = never;
    for (size_t i = 0; i < key.terms.size(); i++)
        if (rule_.formula.uses(static_cast<int>(i), false) && !key.terms[i].entries.empty())
            newest = std::max(newest, key.terms[i].newest);
    return rule_.formula.holds([&](int term, bool negative) {
        const TermState& state = key.terms[term];
        if (!negative) return state.count > 0;
        return state.newest != never && newest != never && state.newest > newest - rule_.terms[term].within;
    });
}

// With `edge`, an absence that was told at a deadline is not told again at the next one if nothing has ended it.
bool WindowEvaluator::absenceGoesOn(const WindowKey& key) const {
    return rule_.formula.negates() && holdsAtDeadline(key);
}

Micros WindowEvaluator::firstPositive(const WindowKey& key) const {
    Micros first = never;
    for (size_t i = 0; i < key.terms.size(); i++) {
        const auto& entries = key.terms[i].entries;
        if (entries.empty() || !rule_.formula.uses(static_cast<int>(i), false)) continue;
        if (first == never || entries.front().at < first) first = entries.front().at;
    }
    return first;
}

void WindowEvaluator::setDeadline(WindowKey& key) const {
    Micros first = rule_.hasDeadlines() ? firstPositive(key) : never;
    key.deadline = first == never ? never : first + rule_.longest();
}

void WindowEvaluator::consume(WindowKey& key, Micros at, const std::string& id) const {
    for (size_t i = 0; i < key.terms.size(); i++) {
        // A term under NOT still counts against later events.
        Micros newest = rule_.formula.uses(static_cast<int>(i), true) ? key.terms[i].newest : never;
        key.terms[i] = TermState();
        key.terms[i].newest = newest;
    }
    key.dropStored = key.dropStored || key.stored;
    key.stored = false;
    key.consumedAt = at;
    key.consumedId = id;
    key.held = false;
}

void WindowEvaluator::match(WindowKey& key, WindowMatch match, std::vector<WindowMatch>& matches) const {
    if (rule_.cooldown > 0 && key.matchedAt != never && match.at < key.matchedAt + rule_.cooldown) {
        key.suppressed++;
        return;
    }
    std::vector<const WindowEntry*> members;
    match.firstAt = match.at;
    for (size_t i = 0; i < key.terms.size(); i++) {
        if (!rule_.formula.uses(static_cast<int>(i), false)) continue;
        for (const WindowEntry& entry : key.terms[i].entries) {
            if (entry.at > match.upTo) break;
            match.firstAt = std::min(match.firstAt, entry.at);
            if (!entry.stored) members.push_back(&entry);
        }
        match.count += match.timedOut ? 0 : key.terms[i].count;
    }
    std::sort(members.begin(), members.end(),
              [](const auto* left, const auto* right) { return earlier(*left, *right); });
    for (const WindowEntry* entry : members)
        if (match.ids.empty() || match.ids.back() != entry->id) match.ids.push_back(entry->id);
    if (!key.stored) match.count = static_cast<int64_t>(match.ids.size());
    match.takesStored = key.stored;
    key.matchedAt = match.at;
    key.matches++;
    matches.push_back(std::move(match));
}

void WindowEvaluator::advance(WindowKey& key, const WindowEvent& event, std::vector<WindowMatch>& matches) const {
    pass(key, event.at, matches);
    if (key.consumedAt != never && std::tie(event.at, event.id) <= std::tie(key.consumedAt, key.consumedId)) {
        key.late++;
        return;
    }
    if (key.latest != never && event.at < key.latest) {
        key.late++;
    } else {
        key.latest = event.at;
        key.latestId = event.id;
    }
    Micros now = key.latest;
    expire(key, now);
    bool before = rule_.afterMatch == AfterMatch::edge && key.held && (holds(key, now) || absenceGoesOn(key));
    for (const WindowValue& value : event.values) {
        if (value.term < 0 || static_cast<size_t>(value.term) >= key.terms.size()) continue;
        TermState& state = key.terms[value.term];
        const WindowTermRule& term = rule_.terms[value.term];
        // Events of a term that stands only under NOT are no members; only the time of the newest matters.
        if (!rule_.formula.uses(value.term, false))
            state.newest = std::max(state.newest, event.at);
        else if (event.at > now - term.within && !add(state, term, event, value))
            key.unusable++;
    }
    bool holding = holds(key, now);
    if (holding && !before) {
        WindowMatch found;
        found.at = now;
        found.lastId = event.id;
        found.cutoff = now;
        match(key, std::move(found), matches);
    }
    key.held = holding || (before && absenceGoesOn(key));
    if (holding && rule_.afterMatch == AfterMatch::consume) consume(key, now, key.latestId);
    setDeadline(key);
}

void WindowEvaluator::pass(WindowKey& key, Micros now, std::vector<WindowMatch>& matches) const {
    bool edge = rule_.afterMatch == AfterMatch::edge;
    while (key.deadline != never && key.deadline <= now) {
        Micros deadline = key.deadline;
        expire(key, deadline - 1);
        bool holding = holdsAtDeadline(key);
        WindowMatch found;
        found.at = deadline;
        found.cutoff = deadline - 1;
        found.timedOut = !holding;
        if (!holding) found.upTo = deadline - rule_.longest();
        // With `edge`, a condition that held before the deadline has been matched already.
        if (holding ? !(edge && key.held) : rule_.onTimeout && !key.held) match(key, std::move(found), matches);
        if (holding && rule_.afterMatch == AfterMatch::consume) consume(key, deadline, "");
        expire(key, deadline);
        if (edge) key.held = (key.held || holding) && firstPositive(key) != never;
        setDeadline(key);
    }
}

}  // namespace specql::time
