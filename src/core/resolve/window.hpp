// Conditions over time: the grammar of windows and of correlations, as plain structs.
#pragma once

#include <string>
#include <vector>

#include "spec/spec.hpp"

namespace specql::resolve {

struct ActionInfo;
class World;

// A piece of the condition's text.
struct WindowPiece {
    std::string text;
    size_t offset = 0;  // in the condition, bytes
    explicit operator bool() const { return !text.empty(); }
};

// One `COUNT(low_stock_events) >= 5 WITHIN 1 hour BY product_id`, or a trigger of a correlation.
struct WindowTerm {
    std::string aggregate;  // count, sum, avg, min, max
    bool distinct = false;
    std::string source;  // low_stock: the event type, suffix _events stripped
    WindowPiece sourceWritten;
    WindowPiece field;
    WindowPiece filter;      // FILTER (WHERE …), as written
    std::string comparison;  // >=, >, =, <, <=, <>
    std::string number;
    WindowPiece interval;  // as written
    std::vector<WindowPiece> by;
    size_t offset = 0;  // byte offset in the condition
    std::string written;
};

struct Window {
    bool correlation = false;
    std::vector<WindowTerm> terms;  // a correlation has one for each of its triggers, in their order
    bool understood = false;
    std::string joined;       // the condition with terms numbered: "1 AND (2 OR NOT 3)"
    bool impossible = false;  // a correlation's condition demands an event and its absence
};

struct WindowProblem {
    Code code;
    size_t offset = 0;  // in the condition
    std::string message, hint;
};

// Reads `condition:` of an action whose spec says windowed or correlated. Terms up to the first problem are complete.
Window parseWindow(const spec::Action& spec, std::vector<WindowProblem>& problems);

// The names under which its matches have their keys: BY, or correlate_by of the first trigger.
std::vector<std::string> matchKeyNames(const spec::Action& spec, const Window& window);
// The name of the term's event where the text has it.
Text sourceText(const ActionInfo& action, const Window& window, size_t term);

// The same, and reports what is wrong with it.
Window readWindow(World& world, const ActionInfo& action);

// What the terms' fields, filters, keys and intervals are among the world's expressions; -1 where there is none.
struct TermExpressions {
    int interval = -1, filter = -1, field = -1;
    std::vector<int> by;
};

}  // namespace specql::resolve
