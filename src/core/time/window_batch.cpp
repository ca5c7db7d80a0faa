#include "time/window_batch.hpp"

namespace specql::time {

void WindowBatch::run(const std::vector<WindowInput>& inputs) {
    std::vector<WindowMatch> matches;
    for (size_t i = 0; i < inputs.size();) {
        // Inputs of one event for one key: the triggers of a correlation may give an event different keys.
        const WindowInput& first = inputs[i];
        WindowEvent event{first.at, first.id, {}};
        size_t end = i;
        for (; end < inputs.size(); end++) {
            const WindowInput& input = inputs[end];
            bool same =
                input.at == first.at && input.id == first.id && input.hasKey == first.hasKey && input.key == first.key;
            if (!same) break;
            event.values.push_back({input.term, input.hasValue, input.value});
        }
        i = end;
        events++;
        if (!first.hasKey) {
            missingKeys++;
            continue;
        }
        WindowKey& key = keys.try_emplace(first.key, evaluator_.emptyKey()).first->second;
        evaluator_.advance(key, event, matches);
        for (WindowMatch& match : matches) {
            bool byEvent = !match.lastId.empty();
            found.push_back({first.key, std::move(match), byEvent ? first.root : "", byEvent ? first.depth : 0});
        }
        matches.clear();
    }
}

void WindowBatch::pass(const std::string& name, Micros now) {
    auto key = keys.find(name);
    if (key == keys.end()) return;
    std::vector<WindowMatch> matches;
    evaluator_.pass(key->second, now, matches);
    for (WindowMatch& match : matches)
        found.push_back({name, std::move(match), "", 0});
}

void WindowBatch::passAll(Micros now) {
    for (auto& [name, key] : keys)
        pass(name, now);
}

}  // namespace specql::time
