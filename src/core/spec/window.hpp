// Conditions over time: what windows count, and what correlations wait for.
#pragma once

#include <string>
#include <vector>

#include "text/source.hpp"

namespace specql::spec {

struct Action;
struct ReadContext;

// One `COUNT(low_stock_events) >= 5 WITHIN 1 hour BY product_id`, or a trigger of a correlation.
struct WindowTerm {
    Text written;           // the whole term
    std::string aggregate;  // count, sum, avg, min, max
    bool distinct = false;
    std::string source;  // low_stock: the event type, suffix _events stripped
    Text sourceWritten;
    Text field;
    Text filter;             // FILTER (WHERE …)
    std::string comparison;  // >=, >, =, <, <=, <>
    std::string number;
    Text interval;
    std::vector<Text> by;

    // The event type where the text has it.
    Text event() const;
};

// `condition:` of an action that is windowed or correlated.
struct WindowCondition {
    bool correlation = false;
    std::vector<WindowTerm> terms;  // up to the first problem; a correlation has one for each trigger, in their order
    bool understood = false;
    std::string joined;       // the condition with terms numbered: "1 AND (2 OR NOT 3)"
    bool impossible = false;  // a correlation's condition demands an event and its absence
};

// The condition of an action that is windowed or correlated; says what is wrong with it.
WindowCondition readWindow(ReadContext& context, const Action& action);

// The names under which matches have their keys: BY, or correlate_by of the first trigger.
std::vector<std::string> matchKeyNames(const Action& action);

}  // namespace specql::spec
