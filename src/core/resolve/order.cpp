#include "resolve/order.hpp"

#include <algorithm>
#include <iterator>

namespace specql::resolve {

namespace {

// A place between two neighbours; nullptr: there is none on that side.
Place between(const Place* lower, const Place* upper) {
    if (!lower && !upper) return {1};
    if (!upper) return {lower->front() + 1};
    if (!lower) return {upper->front() - 1};
    Place place = *lower;
    ++place.back();
    if (place < *upper) return place;
    bool below = upper->size() > lower->size() && std::equal(lower->begin(), lower->end(), upper->begin());
    place = *lower;
    place.push_back(below ? (*upper)[lower->size()] - 1 : 1);
    return place;
}

// Which of these places may stay so that those that stay ascend: as many as possible. An empty one is none.
std::vector<bool> longestAscent(const std::vector<Place>& places) {
    std::vector<size_t> ends;  // of the ascents of each length found so far, the one with the smallest last place
    std::vector<size_t> before(places.size(), places.size());
    for (size_t i = 0; i < places.size(); i++) {
        if (places[i].empty()) continue;
        auto longer = std::lower_bound(ends.begin(), ends.end(), places[i],
                                       [&](size_t end, const Place& place) { return places[end] < place; });
        if (longer != ends.begin()) before[i] = *(longer - 1);
        if (longer == ends.end())
            ends.push_back(i);
        else
            *longer = i;
    }
    std::vector<bool> stays(places.size(), false);
    for (size_t i = ends.empty() ? places.size() : ends.back(); i < places.size(); i = before[i])
        stays[i] = true;
    return stays;
}

bool isInvariant(const ResolvedAction& action) {
    return action.info->spec->onError.value == "abort";
}

bool runsBefore(const ResolvedAction& left, const ResolvedAction& right) {
    if (left.info->spec->turn != right.info->spec->turn) return left.info->spec->turn < right.info->spec->turn;
    if (isInvariant(left) != isInvariant(right)) return isInvariant(left);
    return left.info->place < right.info->place;
}

std::string ordinal(size_t number) {
    const char* ending = "th";
    if (number % 100 < 11 || number % 100 > 13) {
        if (number % 10 == 1) ending = "st";
        if (number % 10 == 2) ending = "nd";
        if (number % 10 == 3) ending = "rd";
    }
    return std::to_string(number) + ending;
}

// What decides between an action and the one beside it.
std::string decidedBy(const ResolvedAction& action, const ResolvedAction& other) {
    int turn = action.info->spec->turn, beside = other.info->spec->turn;
    if (turn != beside)
        return "order: " + std::to_string(std::min(turn, beside)) + " before " + std::to_string(std::max(turn, beside));
    if (isInvariant(action) != isInvariant(other)) return "invariants (on_error: abort) run first";
    return action.info->file == other.info->file ? "order of the text" : "what was applied earlier runs first";
}

// Actions by the table whose changes set them off, or by their custom event, in their order. What a window counts is no
// part of it: nothing happens then.
using Groups = std::map<std::pair<const EntityInfo*, std::string>, std::vector<const ResolvedAction*>>;

std::pair<const EntityInfo*, std::string> groupOf(const Binding& binding) {
    return {binding.entity, binding.custom ? binding.event : ""};
}

Groups groupActions(const Resolver& resolver) {
    Groups groups;
    for (const ResolvedAction& action : resolver.actions) {
        bool listens = action.binding.entity || !action.binding.event.empty();
        if (listens && !isBefore(*action.info) && !action.isFeed() && !action.window && !action.isAnswer())
            groups[groupOf(action.binding)].push_back(&action);
    }
    for (auto& [event, actions] : groups)
        std::stable_sort(actions.begin(), actions.end(), [](const ResolvedAction* left, const ResolvedAction* right) {
            return runsBefore(*left, *right);
        });
    return groups;
}

struct Turn {
    std::string events;  // "inserts and updates"
    std::string shown;   // "2nd of 3", with the neighbour
    std::string neighbour;
    std::string rule;
};

// In which turn the action runs for one operation; nothing if it runs alone.
bool turnOf(const ResolvedAction& action, const std::vector<const ResolvedAction*>& all, Turn& turn) {
    if (all.size() < 2) return false;
    size_t index = static_cast<size_t>(std::find(all.begin(), all.end(), &action) - all.begin());
    const ResolvedAction& other = *all[index == 0 ? 1 : index - 1];
    turn.shown = "runs " + ordinal(index + 1) + " of " + std::to_string(all.size()) + " for ";
    turn.neighbour = (index == 0 ? ", before " : ", after ") + other.info->name();
    turn.rule = decidedBy(action, other);
    return true;
}

constexpr std::pair<unsigned, const char*> operations[] = {
    {opInsert, "inserts"}, {opUpdate, "updates"}, {opDelete, "deletes"}, {opTruncate, "truncations"}};

std::vector<Turn> turnsOf(const std::vector<const ResolvedAction*>& group, const ResolvedAction& action) {
    const Binding& binding = action.binding;
    std::vector<Turn> turns;
    Turn turn;
    if (binding.custom) {
        turn.events = binding.event;
        if (turnOf(action, group, turn)) turns.push_back(turn);
        return turns;
    }
    for (const auto& [op, events] : operations) {
        std::vector<const ResolvedAction*> together;
        std::copy_if(group.begin(), group.end(), std::back_inserter(together),
                     [op = op](const ResolvedAction* other) { return other->binding.ops & op; });
        if (!(binding.ops & op) || !turnOf(action, together, turn)) continue;
        bool same = !turns.empty() && turns.back().shown == turn.shown && turns.back().neighbour == turn.neighbour;
        if (same) {
            turns.back().events += std::string(" and ") + events;
        } else {
            turn.events = events;
            turns.push_back(turn);
        }
    }
    for (Turn& each : turns)
        each.events += " of " + binding.entity->shown();
    return turns;
}

}  // namespace

void placeActions(World& world) {
    const std::map<std::string, Place>& recorded = world.catalog().places;
    std::set<Place> taken;
    for (const auto& [name, place] : recorded)
        taken.insert(place);
    auto recordedOf = [&](const ActionInfo& action) {
        auto found = recorded.find(action.name());
        return found == recorded.end() ? Place() : found->second;
    };
    auto placeAfter = [&](const Place* lower) {
        auto next = lower ? taken.upper_bound(*lower) : taken.end();
        if (!lower && !taken.empty()) lower = &*taken.rbegin();
        return between(lower, next == taken.end() ? nullptr : &*next);
    };
    auto placeBefore = [&](const Place& upper) {
        auto found = taken.lower_bound(upper);
        return between(found == taken.begin() ? nullptr : &*std::prev(found), &upper);
    };

    std::vector<ActionInfo*> text;
    for (ActionInfo& action : world.actions) {
        if (action.file->fresh)
            text.push_back(&action);
        else if ((action.place = recordedOf(action)).empty())  // its record is lost
            taken.insert(action.place = placeAfter(nullptr));
    }
    std::sort(text.begin(), text.end(), [](const ActionInfo* left, const ActionInfo* right) {
        return left->spec->name.pos < right->spec->name.pos;
    });
    std::vector<Place> before;
    for (const ActionInfo* action : text)
        before.push_back(recordedOf(*action));
    std::vector<bool> stays = longestAscent(before);
    for (size_t i = 0; i < text.size(); i++)
        if (!stays[i]) taken.erase(before[i]);
    for (size_t i = 0; i < text.size(); i++) {
        if (stays[i]) {
            text[i]->place = before[i];
            continue;
        }
        auto next = std::find(stays.begin(), stays.end(), true);
        text[i]->place = i > 0                 ? placeAfter(&text[i - 1]->place)
                         : next != stays.end() ? placeBefore(before[static_cast<size_t>(next - stays.begin())])
                                               : placeAfter(nullptr);
        taken.insert(text[i]->place);
    }
}

void explainOrder(World& world, const Resolver& resolver) {
    std::map<std::string, std::vector<Explanation>> turns;
    for (const auto& [event, group] : groupActions(resolver))
        for (const ResolvedAction* action : group) {
            world.poll();
            if (!action->info->file->fresh) continue;
            for (const Turn& turn : turnsOf(group, *action))
                turns[action->info->name()].push_back({action->info->name(), "order",
                                                       turn.shown + turn.events + turn.neighbour, turn.rule,
                                                       action->info->spec->name.pos.line});
        }
    // Behind what is said of the action's trigger.
    std::vector<Explanation> all;
    for (Explanation& explanation : world.explanations) {
        auto found = turns.find(explanation.action);
        all.push_back(std::move(explanation));
        if (found == turns.end()) continue;
        std::move(found->second.begin(), found->second.end(), std::back_inserter(all));
        turns.erase(found);
    }
    world.explanations = std::move(all);
}

}  // namespace specql::resolve
