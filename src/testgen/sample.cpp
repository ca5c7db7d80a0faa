#include "testgen/sample.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

namespace specql::testgen {

namespace {

constexpr size_t longestRepetition = 64;
const std::string digits = "0123456789", lower = "abcdefghijklmnopqrstuvwxyz", upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

class Sampler {
public:
    Sampler(const std::string& text, size_t variant, std::string mark)
        : text_(text), variant_(variant), mark_(std::move(mark)) {}

    bool sample(std::string& result) {
        result = alternatives();
        return understood_ && at_ == text_.size();
    }

private:
    bool more() const { return understood_ && at_ < text_.size(); }
    bool take(char c) {
        if (!more() || text_[at_] != c) return false;
        at_++;
        return true;
    }
    std::string giveUp() {
        understood_ = false;
        return "";
    }
    std::string pick(const std::string& from) {
        set_ = from;
        return from.empty() ? giveUp() : std::string(1, from[variant_ % from.size()]);
    }

    std::string alternatives() {
        std::vector<std::string> branches = {branch()};
        while (take('|'))
            branches.push_back(branch());
        return branches[variant_ % branches.size()];
    }

    std::string branch() {
        std::string result;
        while (more() && text_[at_] != '|' && text_[at_] != ')') {
            set_.clear();
            std::string piece = atom();
            bool open = more() && (text_[at_] == '*' || text_[at_] == '+');
            size_t times = repetitions();
            bool digitsFit =
                std::all_of(digits.begin(), digits.end(), [&](char c) { return set_.find(c) != std::string::npos; });
            if (open && digitsFit && !mark_.empty()) piece = std::exchange(mark_, "");
            for (size_t i = 0; i < times; i++)
                result += piece;
        }
        return result;
    }

    size_t repetitions() {
        size_t times = 1;
        if (take('*') || take('+') || take('?')) {
            // Once does.
        } else if (take('{')) {
            char* end = nullptr;
            times = std::strtoul(text_.c_str() + at_, &end, 10);
            at_ = static_cast<size_t>(end - text_.c_str());
            while (more() && text_[at_] != '}')
                at_++;
            if (!take('}') || times > longestRepetition) understood_ = false;
        }
        take('?');  // not greedy
        return times;
    }

    std::string atom() {
        char c = text_[at_++];
        switch (c) {
            case '^':
            case '$': return "";
            case '.': return pick(lower);
            case '[': return pick(characters());
            case '(': {
                if (take('?') && !take(':')) return giveUp();
                std::string inner = alternatives();
                return take(')') ? inner : giveUp();
            }
            case '\\': return pick(escaped());
            case '*':
            case '+':
            case '?':
            case '{': return giveUp();
            default: return std::string(1, c);
        }
    }

    std::string escaped() {
        if (!more()) return giveUp();
        char c = text_[at_++];
        if (c == 'd') return digits;
        if (c == 'w') return lower + upper + digits + "_";
        if (c == 's') return " ";
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        return letter ? giveUp() : std::string(1, c);
    }

    // What stands between brackets.
    std::string characters() {
        bool negated = take('^');
        std::string found;
        for (bool first = true; more() && (first || text_[at_] != ']'); first = false) {
            if (text_.compare(at_, 2, "[:") == 0) {
                size_t end = text_.find(":]", at_);
                if (end == std::string::npos) return giveUp();
                found += named(text_.substr(at_ + 2, end - at_ - 2));
                at_ = end + 2;
                continue;
            }
            char c = text_[at_++];
            if (c == '\\') {
                found += escaped();
            } else if (at_ + 1 < text_.size() && text_[at_] == '-' && text_[at_ + 1] != ']') {
                for (int code = c; code <= text_[at_ + 1]; code++)
                    found += static_cast<char>(code);
                at_ += 2;
            } else {
                found += c;
            }
        }
        if (!take(']')) return giveUp();
        if (!negated) return found;
        std::string others = lower + upper + digits + "_-. ";
        others.erase(
            std::remove_if(others.begin(), others.end(), [&](char c) { return found.find(c) != std::string::npos; }),
            others.end());
        return others;
    }

    std::string named(const std::string& name) {
        if (name == "digit") return digits;
        if (name == "alpha") return lower + upper;
        if (name == "alnum") return lower + upper + digits;
        if (name == "lower") return lower;
        if (name == "upper") return upper;
        if (name == "space") return " ";
        return giveUp();
    }

    const std::string& text_;
    size_t variant_;
    std::string mark_;  // still to be placed
    std::string set_;   // what the last atom may be
    size_t at_ = 0;
    bool understood_ = true;
};

}  // namespace

bool sampleOf(const std::string& expression, size_t variant, std::string& sample) {
    if (expression.find_first_of("^$[\\(+*") == std::string::npos) return false;
    return Sampler(expression, variant, "").sample(sample);
}

bool numberedSampleOf(const std::string& expression, const std::string& mark, std::string& sample) {
    return Sampler(expression, 0, mark).sample(sample) && sample.find(mark) != std::string::npos;
}

}  // namespace specql::testgen
