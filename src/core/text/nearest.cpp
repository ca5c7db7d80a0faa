#include <algorithm>
#include <bitset>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "text/ascii.hpp"
#include "text/source.hpp"

namespace specql {

namespace {

// Longer words are not compared, because the cost grows with the square of the length.
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

// The letters of a word as bits; all other characters share one bit.
uint32_t lettersOf(const std::string& word) {
    uint32_t letters = 0;
    for (char c : word) {
        letters |= 1U << (isAsciiLower(c) ? c - 'a' : isAsciiDigit(c) ? 26 + (c - '0') % 5 : 31);
    }
    return letters;
}

// The number of edits, where an exchange of two neighbours is one (optimal string alignment). Results from `enough` on
// are not exact.
size_t editDistance(const std::string& a, const std::string& b, size_t enough) {
    std::vector<size_t> beforePrevious(b.size() + 1), previous(b.size() + 1), current(b.size() + 1);
    for (size_t j = 0; j <= b.size(); ++j) {
        previous[j] = j;
    }
    for (size_t i = 1; i <= a.size(); ++i) {
        current[0] = i;
        size_t least = i;
        for (size_t j = 1; j <= b.size(); ++j) {
            size_t replaced = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            current[j] = std::min({previous[j] + 1, current[j - 1] + 1, replaced});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                current[j] = std::min(current[j], beforePrevious[j - 2] + 1);
            }
            least = std::min(least, current[j]);
        }
        // An exchange reaches back two rows, at the price of one edit.
        if (least >= enough) {
            return least;
        }
        std::swap(beforePrevious, previous);
        std::swap(previous, current);
    }
    return previous[b.size()];
}

}  // namespace

Vocabulary::Vocabulary(const std::vector<std::string>& words) {
    std::set<std::string_view> seen;
    for (const std::string& word : words) {
        if (word.empty() || word.size() > longestWord || !seen.insert(word).second) {
            continue;
        }
        std::string known = comparable(word);
        uint32_t letters = lettersOf(known);
        known_.push_back({word, std::move(known), letters});
    }
}

std::string Vocabulary::nearest(std::string_view word, size_t most) const {
    return nearestWithin(word, std::min(most, std::max<size_t>(1, word.size() / 3)));
}

std::string Vocabulary::nearestWithin(std::string_view word, size_t edits) const {
    if (word.empty() || word.size() > longestWord) {
        return {};
    }
    std::string wanted = comparable(word);
    uint32_t letters = lettersOf(wanted);
    size_t best = edits + 1;
    const Known* found = nullptr;
    for (const Known& known : known_) {
        // An edit changes the length by one at most, and adds or takes away two letters at most.
        size_t longer = std::max(wanted.size(), known.comparable.size());
        size_t shorter = std::min(wanted.size(), known.comparable.size());
        if (longer - shorter >= best || std::bitset<32>(letters ^ known.letters).count() > 2 * (best - 1)) {
            continue;
        }
        size_t distance = editDistance(wanted, known.comparable, best);
        // A word that shares no letter is not near, however short it is.
        bool sharesNothing = distance >= longer && !wanted.empty();
        if (distance < best && !sharesNothing) {
            best = distance;
            found = &known;
        }
    }
    return found == nullptr ? std::string() : found->word;
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates, size_t most) {
    return Vocabulary(candidates).nearest(word, most);
}

std::string nearestOfFew(std::string_view word, const std::vector<std::string>& candidates) {
    return Vocabulary(candidates).nearestWithin(word, std::max<size_t>(1, word.size() / 2));
}

}  // namespace specql
