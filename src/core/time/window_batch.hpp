// A run of a window or correlation over the events of many keys, in their order.
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
    std::string root;  // of the event's chain of causes, and its place in it
    int depth = 0;
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

    // In the order of (time, id); what several terms count of one event must come together.
    void run(const std::vector<WindowInput>& inputs);
    // Lets time pass for one key.
    void pass(const std::string& key, Micros now);
    void passAll(Micros now);

    // Those that there were before are put here before run().
    std::map<std::string, WindowKey> keys;
    std::vector<WindowFound> found;
    int64_t events = 0, missingKeys = 0;

private:
    const WindowRule& rule_;
    WindowEvaluator evaluator_;
};

}  // namespace specql::time
