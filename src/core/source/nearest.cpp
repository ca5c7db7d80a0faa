#include <algorithm>
#include <string>
#include <vector>

#include "source/ascii.hpp"
#include "source/source.hpp"

namespace specql {

namespace {

// Longer words are never typed wrong in a way this finds, and the table grows with the square.
constexpr size_t longestWord = 128;

std::string comparable(std::string_view word) {
    std::string out;
    for (char c : word) {
        if (c == '_' || c == '-') {
            continue;
        }
        out += toAsciiLower(c);
    }
    return out;
}

// Edits, an exchange of two neighbours being one of them (optimal string alignment).
size_t editDistance(const std::string& a, const std::string& b) {
    std::vector<size_t> beforePrevious, previous(b.size() + 1), current(b.size() + 1);
    for (size_t j = 0; j <= b.size(); ++j) {
        previous[j] = j;
    }
    for (size_t i = 1; i <= a.size(); ++i) {
        current[0] = i;
        for (size_t j = 1; j <= b.size(); ++j) {
            size_t replaced = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            current[j] = std::min({previous[j] + 1, current[j - 1] + 1, replaced});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                current[j] = std::min(current[j], beforePrevious[j - 2] + 1);
            }
        }
        beforePrevious = previous;
        std::swap(previous, current);
    }
    return previous[b.size()];
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& candidates, size_t most) {
    if (word.empty() || word.size() > longestWord) {
        return {};
    }
    std::string wanted = comparable(word);
    size_t best = std::min(most, std::max<size_t>(1, word.size() / 3)) + 1;
    std::string found;
    for (const std::string& candidate : candidates) {
        if (candidate.empty() || candidate.size() > longestWord) {
            continue;
        }
        std::string known = comparable(candidate);
        size_t distance = editDistance(wanted, known);
        // A word that shares no letter is not near, however short it is.
        bool sharesNothing = distance >= std::max(wanted.size(), known.size()) && !wanted.empty();
        if (distance < best && !sharesNothing) {
            best = distance;
            found = candidate;
        }
    }
    return found;
}

}  // namespace specql
