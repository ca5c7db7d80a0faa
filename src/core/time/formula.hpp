// AND, OR and NOT over numbered terms: "1 AND (2 OR NOT 3)".
#pragma once

#include <functional>
#include <string_view>
#include <vector>

namespace specql::time {

class Formula {
public:
    // Parentheses within parentheses; more are not understood. What reads them calls itself, and a stack is finite.
    static constexpr int deepest = 100;

    // Terms count from 1 in the text and from 0 everywhere else. False if the text is not understood.
    static bool parse(std::string_view text, int termCount, Formula& formula);

    // `term` tells whether a term holds; `negative`: this use of it stands under NOT.
    bool holds(const std::function<bool(int term, bool negative)>& term) const;
    // Is there a use of the term that stands under NOT, or one that does not?
    bool uses(int term, bool negative) const;
    bool negates() const;
    // False if no state of its terms makes it hold. Not sure means true: a long formula over many terms is not tried.
    bool canHold() const;

private:
    friend class FormulaReader;
    enum class Kind { term, conjunction, disjunction, negation };
    struct Part {
        Kind kind;
        int term;
        bool negative;
    };
    std::vector<Part> parts_;  // operands before their operator
};

}  // namespace specql::time
