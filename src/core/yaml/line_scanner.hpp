// Tells for each line of YAML whether it is structure, or inside of a quoted, folded, literal or flow scalar. So the
// dialect pass does not rewrite the text of a description, and an unclosed quote is reported where it was opened. It
// reports no errors itself; that is left to yaml-cpp.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace specql::yaml {

class LineScanner {
public:
    static constexpr size_t none = static_cast<size_t>(-1);

    struct Line {
        bool structural = false;   // starts a node: an item, a key, a value of its own
        bool tabIndented = false;  // structural, with a tab where indentation is counted
        bool afterDash = false;    // the key stands behind a '-'
        size_t indent = 0;         // bytes before the first character that is not a blank
        size_t keyBegin = none;    // bytes in the line; none if the line has no plain key
        size_t keyEnd = none;      // where its ':' stands
        size_t valueBegin = none;  // a plain value on the same line
        size_t valueEnd = none;    // its end, before trailing blanks and comment
    };

    // Reads the next line, given without its line end; `offset` is its place in the text.
    Line next(std::string_view line, size_t offset);

    // The value of the line just read is to be taken as a key without a value (the dialect's SET).
    void treatAsKey(const Line& line);

    // A new document begins.
    void reset() { *this = LineScanner(); }

    // Is a plain scalar open, so that deeper lines go on with it?
    bool isInPlain() const { return state_ == State::plain; }
    // Is a literal or folded scalar open?
    bool isInLiteral() const { return state_ == State::literal; }
    // The offset of the quote that is still open; none if there is none.
    size_t openQuote() const { return state_ == State::quoted ? quoteOffset_ : none; }
    // The offset of the innermost bracket or brace that is still open.
    size_t openFlow() const { return flow_.empty() ? none : flow_.back(); }
    // Of the last quoted scalar that took more than one line: where it was opened, and where it ended.
    size_t longQuoteBegin() const { return longQuoteBegin_; }
    size_t longQuoteEnd() const { return longQuoteEnd_; }

private:
    enum class State { block, plain, quoted, literal };

    void scanStructure(Line& result);
    void scanNode(Line& result, long parent);
    void scanValue(Line& result, long parent);
    void scanFlow();
    bool scanQuote();
    size_t plainEnd(size_t from, size_t& colon) const;
    size_t blanksFrom(size_t at) const;
    bool blankOrEnd(size_t at) const { return at >= line_.size() || line_[at] == ' ' || line_[at] == '\t'; }
    bool nothingLeft(size_t at) const;

    State state_ = State::block;
    long parentIndent_ = -1;   // of the open plain or literal scalar: it goes on below deeper lines
    long pendingParent_ = -1;  // of a key or dash that waits for its value on the next line
    char quote_ = 0;
    size_t quoteOffset_ = none;
    size_t longQuoteBegin_ = none;
    size_t longQuoteEnd_ = none;
    std::vector<size_t> flow_;    // offsets of open brackets and braces
    bool flowTokenStart_ = true;  // in flow: a quote here would open a scalar

    std::string_view line_;
    size_t offset_ = 0;
    size_t at_ = 0;
};

}  // namespace specql::yaml
