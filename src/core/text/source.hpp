// The text that a user wrote, and conversions of byte offsets in it to positions and pictures.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/diagnostic.hpp"

namespace specql {

// A text with its provenance: where it starts in the Source it was cut from.
// `value` is what YAML says the scalar is (unquoted, folded); `offset` is the byte in the source of its first
// character (after an opening quote), so that locate() can find any byte of the value again.
struct Text {
    std::string value;
    Pos pos;               // of the scalar itself (its opening quote, if it has one)
    size_t offset = 0;     // byte offset in the source of the first character of the content
    char style = 0;        // 0 plain, '\'' or '"' quoted, '|' or '>' block
    bool present = false;  // the user wrote it (an empty quoted scalar is present)
    bool made = false;     // by a reader, of what is written there: all of it stands at the beginning of that

    bool empty() const { return value.empty(); }
    explicit operator bool() const { return present; }
};

class Source {
public:
    explicit Source(std::string text);
    const std::string& text() const { return text_; }
    size_t lineCount() const { return lineStarts_.size(); }
    // The line without its line end; an empty view when out of range. 1-based.
    std::string_view line(uint32_t number) const;
    Pos position(size_t byteOffset) const;
    // The position of byte `at` of `text.value` (an expression's error offset, say), walking the source so that
    // folded lines and doubled quotes do not shift it.
    Pos locate(const Text& text, size_t at) const;
    // The same as a byte offset in the source.
    size_t offsetOf(const Text& text, size_t at) const;
    // The piece [begin, end) of a text as a Text of its own, which can be located like any other.
    Text piece(const Text& text, size_t begin, size_t end) const;

private:
    static constexpr size_t checkpointBytes = 1024;
    size_t continuationBytes(size_t byteOffset) const;

    std::string text_;
    std::vector<size_t> lineStarts_;
    std::vector<size_t> continuationsBefore_;  // UTF-8 continuation bytes before each checkpoint
};

// Locates bytes of one text like Source does, without starting anew each time as long as they ascend: for texts that
// are cut into many pieces. It walks the value and its source side by side, as what YAML folded, unescaped or stripped
// takes different room on each side. It never fails: where the two disagree it goes on byte by byte.
class TextCursor {
public:
    // Both arguments must outlive the cursor.
    TextCursor(const Source& source, const Text& text);
    size_t offsetOf(size_t at);
    Text piece(size_t begin, size_t end);

private:
    bool isBlock() const;
    bool blankRunEndsLine() const;
    bool passFold(size_t target, size_t& inside);
    void passEscape();

    const Source& source_;
    const Text& text_;
    bool isVerbatim_ = false;  // the value stands in the source as it is
    size_t value_ = 0;
    size_t at_;
};

// "line 3, column 7: message [SPQL-…]", the source line, a caret under the column (tabs and wide characters
// accounted for), and the hint.
std::string render(const Diagnostic& diagnostic, const Source& source);
// All of them, sorted, separated by empty lines; at most `limit`, then "… and N more".
std::string render(const Diagnostics& diagnostics, const Source& source, size_t limit = 50);

// The candidate nearest to `word` by edit distance (at most a third of its length, at least 1, ignoring case,
// '_' and '-'); empty when none is near. Used for every "did you mean".
// `most` lowers that bound further.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates, size_t most = SIZE_MAX);
// The same for a few candidates of which one must be meant: up to half of the length may differ.
std::string nearestOfFew(std::string_view word, const std::vector<std::string>& candidates);

// For looking up many words among the same candidates.
class Vocabulary {
public:
    Vocabulary() = default;
    explicit Vocabulary(const std::vector<std::string>& words);
    std::string nearest(std::string_view word, size_t most = SIZE_MAX) const;
    std::string nearestWithin(std::string_view word, size_t edits) const;

private:
    struct Known {
        std::string word, comparable;
        uint32_t letters;
    };
    std::vector<Known> known_;
};

}  // namespace specql
