#include "yaml/line_scanner.hpp"

namespace specql::yaml {

size_t LineScanner::blanksFrom(size_t at) const {
    while (at < line_.size() && (line_[at] == ' ' || line_[at] == '\t')) {
        ++at;
    }
    return at;
}

// True if only blanks or a comment follow.
bool LineScanner::nothingLeft(size_t at) const {
    size_t next = blanksFrom(at);
    return next >= line_.size() || (line_[next] == '#' && (next > at || next == 0 || blankOrEnd(next - 1)));
}

LineScanner::Line LineScanner::next(std::string_view line, size_t offset) {
    line_ = line;
    offset_ = offset;
    at_ = 0;
    Line result;
    result.indent = blanksFrom(0);
    bool isBlankLine = result.indent >= line.size();
    bool isDeeper = static_cast<long>(result.indent) > parentIndent_;

    if (state_ == State::quoted) {
        if (!scanQuote()) {
            return result;
        }
        longQuoteBegin_ = quoteOffset_;
        longQuoteEnd_ = offset_ + at_;
        if (!flow_.empty()) {
            scanFlow();
        }
        return result;
    }
    if (!flow_.empty()) {
        scanFlow();
        return result;
    }
    if (isBlankLine) {
        return result;
    }
    if (state_ == State::literal && isDeeper) {
        return result;
    }
    if (line[result.indent] == '#') {
        state_ = State::block;
        return result;
    }
    if (state_ == State::plain && isDeeper) {
        return result;
    }
    state_ = State::block;
    result.structural = true;
    result.tabIndented = line.substr(0, result.indent).find('\t') != std::string_view::npos;
    at_ = result.indent;
    scanStructure(result);
    return result;
}

void LineScanner::treatAsKey(const Line& line) {
    state_ = State::block;
    pendingParent_ = static_cast<long>(line.keyBegin);
}

// Dashes (and explicit key and value marks), then a node.
void LineScanner::scanStructure(Line& result) {
    long parent = pendingParent_;
    pendingParent_ = -1;
    while (at_ < line_.size() && (line_[at_] == '-' || line_[at_] == '?' || line_[at_] == ':') && blankOrEnd(at_ + 1)) {
        parent = static_cast<long>(at_);
        result.afterDash = true;
        at_ = blanksFrom(at_ + 1);
    }
    if (nothingLeft(at_)) {
        pendingParent_ = parent;
        return;
    }
    scanNode(result, parent);
}

// A key with its value, or a value alone.
void LineScanner::scanNode(Line& result, long parent) {
    size_t begin = at_;
    if (line_[at_] == '\'' || line_[at_] == '"') {
        scanValue(result, parent);
        size_t colon = blanksFrom(at_);
        bool closed = state_ != State::quoted;
        if (closed && colon < line_.size() && line_[colon] == ':' && blankOrEnd(colon + 1)) {
            at_ = colon + 1;
            scanValue(result, static_cast<long>(begin));
        }
        return;
    }
    if (line_[at_] == '[' || line_[at_] == '{' || line_[at_] == '|' || line_[at_] == '>') {
        scanValue(result, parent);
        return;
    }
    size_t colon = none;
    plainEnd(at_, colon);
    if (colon == none) {
        scanValue(result, parent);
        return;
    }
    result.keyBegin = begin;
    result.keyEnd = colon;
    at_ = colon + 1;
    scanValue(result, static_cast<long>(begin));
}

// A value that stands at at_ or behind blanks; `parent` is the indentation that its further lines must exceed.
void LineScanner::scanValue(Line& result, long parent) {
    if (nothingLeft(at_)) {
        pendingParent_ = parent;
        return;
    }
    at_ = blanksFrom(at_);
    // Anchors and tags are refused later; here they are only in the way of what follows.
    while (at_ < line_.size() && (line_[at_] == '&' || line_[at_] == '!')) {
        while (!blankOrEnd(at_)) {
            ++at_;
        }
        if (nothingLeft(at_)) {
            pendingParent_ = parent;
            return;
        }
        at_ = blanksFrom(at_);
    }
    switch (line_[at_]) {
        case '\'':
        case '"':
            quote_ = line_[at_];
            quoteOffset_ = offset_ + at_;
            ++at_;
            state_ = State::quoted;
            scanQuote();
            return;
        case '[':
        case '{':
            flowTokenStart_ = true;
            scanFlow();
            return;
        case '|':
        case '>':
            state_ = State::literal;
            parentIndent_ = parent;
            return;
        default: break;
    }
    size_t colon = none;
    result.valueBegin = at_;
    result.valueEnd = plainEnd(at_, colon);
    state_ = State::plain;
    parentIndent_ = parent;
    // A comment ends a plain scalar for good.
    if (blanksFrom(result.valueEnd) < line_.size() && colon == none) {
        state_ = State::block;
    }
}

// The end of the plain text from `from` on: before trailing blanks, a comment, or a ':' that makes it a key.
size_t LineScanner::plainEnd(size_t from, size_t& colon) const {
    size_t end = from;
    for (size_t i = from; i < line_.size(); ++i) {
        char c = line_[i];
        if (c == ':' && blankOrEnd(i + 1)) {
            colon = i;
            return end;
        }
        if (c == '#' && i > from && blankOrEnd(i - 1)) {
            return end;
        }
        if (c != ' ' && c != '\t') {
            end = i + 1;
        }
    }
    return end;
}

// Goes to behind the closing quote; false if it is not on this line.
bool LineScanner::scanQuote() {
    for (; at_ < line_.size(); ++at_) {
        char c = line_[at_];
        if (quote_ == '"' && c == '\\') {
            ++at_;
        } else if (c == quote_) {
            bool doubled = quote_ == '\'' && at_ + 1 < line_.size() && line_[at_ + 1] == '\'';
            if (!doubled) {
                ++at_;
                state_ = State::block;
                return true;
            }
            ++at_;
        }
    }
    return false;
}

void LineScanner::scanFlow() {
    bool afterBlank = true;
    while (at_ < line_.size()) {
        char c = line_[at_];
        if (c == '#' && afterBlank) {
            return;
        }
        afterBlank = c == ' ' || c == '\t';
        if ((c == '\'' || c == '"') && flowTokenStart_) {
            quote_ = c;
            quoteOffset_ = offset_ + at_;
            ++at_;
            state_ = State::quoted;
            flowTokenStart_ = false;
            if (!scanQuote()) {
                return;
            }
            continue;
        }
        if (c == '[' || c == '{') {
            flow_.push_back(offset_ + at_);
            flowTokenStart_ = true;
        } else if (c == ']' || c == '}') {
            flow_.pop_back();
            flowTokenStart_ = false;
            if (flow_.empty()) {
                ++at_;
                return;
            }
        } else if (c == ',' || (c == ':' && blankOrEnd(at_ + 1))) {
            flowTokenStart_ = true;
        } else if (!afterBlank) {
            flowTokenStart_ = false;
        }
        ++at_;
    }
}

}  // namespace specql::yaml
