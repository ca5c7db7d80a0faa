// AND, OR and NOT over numbered terms: "1 AND (2 OR NOT 3)".
#pragma once

#include <functional>
#include <string_view>
#include <vector>

namespace specql::time {

class Formula {
public:
    // Greatest depth of parentheses: reading them is recursive, and the stack is limited.
    static constexpr int deepest = 100;

    // Terms count from 1 in the text and from 0 everywhere else. False if the text is not understood.
    static bool parse(std::string_view text, int termCount, Formula& formula);

    // `term` tells whether a term holds; `negative`: this use of it stands under NOT.
    bool holds(const std::function<bool(int term, bool negative)>& term) const;
    // Is there a use of the term that stands under NOT, or one that does not?
    bool uses(int term, bool negative) const;
    // Does any term stand under NOT?
    bool negates() const;
    // False if no combination of terms makes it hold. True also if the formula is too long to try all combinations.
    bool canHold() const;

private:
    friend class FormulaReader;
    enum class Kind { term, conjunction, disjunction, negation };
    struct Part {
        Kind kind;
        int term;
        bool negative;
    };
    std::vector<Part> parts_;  // in postfix order
};

}  // namespace specql::time
