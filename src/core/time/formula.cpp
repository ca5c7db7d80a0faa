#include "time/formula.hpp"

#include <algorithm>

namespace specql::time {

// or := and ('OR' and)*; and := unit ('AND' unit)*; unit := 'NOT' unit | '(' or ')' | number.
class FormulaReader {
public:
    FormulaReader(std::string_view text, int termCount, std::vector<Formula::Part>& parts)
        : text_(text), termCount_(termCount), parts_(parts) {}

    bool read() {
        bool understood = readOr(false);
        skipBlanks();
        return understood && at_ == text_.size();
    }

private:
    void skipBlanks() {
        while (at_ < text_.size() && text_[at_] == ' ')
            at_++;
    }
    bool take(std::string_view word) {
        skipBlanks();
        if (text_.substr(at_, word.size()) != word) return false;
        at_ += word.size();
        return true;
    }
    void join(Formula::Kind kind) { parts_.push_back({kind, 0, false}); }

    bool readOr(bool negative) {
        if (!readAnd(negative)) return false;
        while (take("OR")) {
            if (!readAnd(negative)) return false;
            join(Formula::Kind::disjunction);
        }
        return true;
    }
    bool readAnd(bool negative) {
        if (!readUnit(negative)) return false;
        while (take("AND")) {
            if (!readUnit(negative)) return false;
            join(Formula::Kind::conjunction);
        }
        return true;
    }
    bool readUnit(bool negative) {
        size_t negations = 0;
        while (take("NOT"))
            negations++;
        if (!readOperand(negative != (negations % 2 == 1))) return false;
        if (negations % 2 == 1) join(Formula::Kind::negation);
        return true;
    }
    bool readOperand(bool negative) {
        if (take("(")) {
            if (depth_ == Formula::deepest) return false;
            depth_++;
            bool read = readOr(negative) && take(")");
            depth_--;
            return read;
        }
        skipBlanks();
        int number = 0;
        size_t begin = at_;
        while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9' && number <= termCount_)
            number = number * 10 + (text_[at_++] - '0');
        if (at_ == begin || number < 1 || number > termCount_) return false;
        parts_.push_back({Formula::Kind::term, number - 1, negative});
        return true;
    }

    std::string_view text_;
    int termCount_;
    std::vector<Formula::Part>& parts_;
    size_t at_ = 0;
    int depth_ = 0;
};

bool Formula::parse(std::string_view text, int termCount, Formula& formula) {
    formula.parts_.clear();
    return FormulaReader(text, termCount, formula.parts_).read();
}

bool Formula::holds(const std::function<bool(int term, bool negative)>& term) const {
    std::vector<bool> stack;
    for (const Part& part : parts_) {
        if (part.kind == Kind::term) {
            stack.push_back(term(part.term, part.negative));
            continue;
        }
        bool right = stack.back();
        if (part.kind == Kind::negation) {
            stack.back() = !right;
            continue;
        }
        stack.pop_back();
        stack.back() = part.kind == Kind::conjunction ? stack.back() && right : stack.back() || right;
    }
    return !stack.empty() && stack.back();
}

bool Formula::uses(int term, bool negative) const {
    return std::any_of(parts_.begin(), parts_.end(), [&](const Part& part) {
        return part.kind == Kind::term && part.term == term && part.negative == negative;
    });
}

bool Formula::negates() const {
    return std::any_of(parts_.begin(), parts_.end(),
                       [](const Part& part) { return part.kind == Kind::term && part.negative; });
}

bool Formula::canHold() const {
    constexpr size_t mostTerms = 10, mostWork = 4 << 20;
    std::vector<int> used;
    for (const Part& part : parts_)
        if (part.kind == Kind::term && std::find(used.begin(), used.end(), part.term) == used.end()) {
            used.push_back(part.term);
            if (used.size() > mostTerms) return true;
        }
    unsigned states = 1U << used.size();
    if (parts_.size() > mostWork / states) return true;
    for (unsigned state = 0; state < states; state++) {
        auto termHolds = [&](int term, bool) {
            auto index = std::find(used.begin(), used.end(), term) - used.begin();
            return (state >> index & 1) != 0;
        };
        if (holds(termHolds)) return true;
    }
    return false;
}

}  // namespace specql::time
