// Conditions over time (language.md section 9): the grammar of windows and of correlations, as plain structs.
#pragma once

#include <string>
#include <vector>

#include "resolve/world.hpp"

namespace specql {

// One `COUNT(low_stock_events) >= 5 WITHIN 1 hour BY product_id`.
struct WindowTerm {
    std::string aggregate;  // count, sum, avg, min, max
    bool distinct = false;
    std::string source;  // low_stock: the event type, suffix _events stripped
    std::string sourceWritten;
    std::string field;
    std::string filter;      // FILTER (WHERE …), as written
    std::string comparison;  // >=, >, =, <, <=, <>
    std::string number;
    std::string interval;  // as written
    std::vector<std::string> by;
    size_t offset = 0;  // byte offset in the condition
};

struct Window {
    bool correlation = false;
    std::vector<WindowTerm> terms;
    std::string joined;               // the condition with terms numbered: "1 AND (2 OR 3)"; a correlation's as written
    std::vector<std::string> events;  // correlation: its triggers
    std::vector<std::string> negated;  // correlation: those under NOT
};

// Reads `condition:` of an action whose spec says windowed or correlated; reports what is wrong with it.
Window readWindow(World& world, const ActionInfo& action);

}  // namespace specql
