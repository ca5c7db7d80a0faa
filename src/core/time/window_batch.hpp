// Runs a window or correlation over the events of many keys, in their order.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "time/window.hpp"

namespace specql::time {

// One event as one term counts it.
struct WindowInput {
    int term = 0;
    bool hasKey = false;
    std::string key;
    Micros at = 0;
    std::string id;
    bool hasValue = false;
    std::string value;
    std::string root;  // first event of the event's chain of causes
    int depth = 0;     // position in that chain
};

struct WindowFound {
    std::string key;
    WindowMatch match;
    std::string root;  // of the event that completed it; empty if a deadline did
    int depth = 0;
};

// The rule must outlive it.
class WindowBatch {
public:
    explicit WindowBatch(const WindowRule& rule) : rule_(rule), evaluator_(rule) {}

    // Inputs must be in the order of (time, id), with those of one event and key next to each other.
    void run(const std::vector<WindowInput>& inputs);
    // Lets time pass for one key.
    void pass(const std::string& key, Micros now);
    void passAll(Micros now);

    // The state of known keys must be put here before run().
    std::map<std::string, WindowKey> keys;
    std::vector<WindowFound> found;
    int64_t events = 0, missingKeys = 0;

private:
    const WindowRule& rule_;
    WindowEvaluator evaluator_;
};

}  // namespace specql::time
