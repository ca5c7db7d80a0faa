#include "text/source.hpp"

#include <algorithm>
#include <utility>

#include "text/ascii.hpp"
#include "text/utf8.hpp"

namespace specql {

namespace {

constexpr std::string_view byteOrderMark = "\xEF\xBB\xBF";

bool isBreak(char c) {
    return c == '\n' || c == '\r';
}

}  // namespace

Source::Source(std::string text) : text_(std::move(text)) {
    lineStarts_.push_back(0);
    size_t continuations = 0;
    for (size_t i = 0; i < text_.size(); ++i) {
        if (i % checkpointBytes == 0) {
            continuationsBefore_.push_back(continuations);
        }
        continuations += isContinuationByte(text_[i]) ? 1 : 0;
        if (text_[i] == '\n') {
            lineStarts_.push_back(i + 1);
        }
    }
    continuationsBefore_.push_back(continuations);
}

// The number of continuation bytes before an offset. The checkpoints keep this cheap in a line of a megabyte.
size_t Source::continuationBytes(size_t byteOffset) const {
    size_t block = byteOffset / checkpointBytes;
    size_t count = continuationsBefore_[block];
    for (size_t i = block * checkpointBytes; i < byteOffset; ++i) {
        count += isContinuationByte(text_[i]) ? 1 : 0;
    }
    return count;
}

std::string_view Source::line(uint32_t number) const {
    if (number == 0 || number > lineStarts_.size()) {
        return {};
    }
    size_t begin = lineStarts_[number - 1];
    size_t end = number < lineStarts_.size() ? lineStarts_[number] - 1 : text_.size();
    if (end > begin && text_[end - 1] == '\r') {
        --end;
    }
    return std::string_view(text_).substr(begin, end - begin);
}

Pos Source::position(size_t byteOffset) const {
    byteOffset = std::min(byteOffset, text_.size());
    size_t index = std::upper_bound(lineStarts_.begin(), lineStarts_.end(), byteOffset) - lineStarts_.begin() - 1;
    size_t begin = lineStarts_[index];
    if (index == 0 && text_.compare(0, byteOrderMark.size(), byteOrderMark) == 0) {
        begin = std::min(byteOrderMark.size(), byteOffset);
    }
    size_t bytes = byteOffset - begin;
    size_t characters = bytes - (continuationBytes(byteOffset) - continuationBytes(begin));
    return {static_cast<uint32_t>(index + 1), static_cast<uint32_t>(characters + 1)};
}

size_t Source::offsetOf(const Text& text, size_t at) const {
    return TextCursor(*this, text).offsetOf(at);
}

Pos Source::locate(const Text& text, size_t at) const {
    return position(offsetOf(text, at));
}

Text Source::piece(const Text& text, size_t begin, size_t end) const {
    return TextCursor(*this, text).piece(begin, end);
}

TextCursor::TextCursor(const Source& source, const Text& text) : source_(source), text_(text), at_(text.offset) {
    bool hasEscapes = text.style == '"' || text.style == '\'';
    const std::string& all = source.text();
    isVerbatim_ = !hasEscapes && text.value.find('\n') == std::string::npos && text.offset <= all.size() &&
                  all.compare(text.offset, text.value.size(), text.value) == 0;
}

size_t TextCursor::offsetOf(size_t target) {
    const std::string& source = source_.text();
    const std::string& value = text_.value;
    target = text_.made ? 0 : std::min(target, value.size());
    if (isVerbatim_) {
        return text_.offset + target;
    }
    if (target < value_) {
        value_ = 0;
        at_ = text_.offset;
    }
    while (value_ < target && at_ < source.size()) {
        bool beginsFold = isBreak(source[at_]) || (isSpaceOrTab(source[at_]) && !isBlock() && blankRunEndsLine());
        if (beginsFold) {
            size_t inside = 0;
            if (!passFold(target, inside)) {
                return inside;
            }
        } else if (text_.style == '"' && source[at_] == '\\') {
            passEscape();
        } else if (text_.style == '\'' && source.compare(at_, 2, "''") == 0) {
            at_ += 2;
            value_ += 1;
        } else {
            ++at_;
            ++value_;
        }
    }
    // An escaped line end is not in the value, so the next byte is behind it.
    if (text_.style == '"' && at_ + 1 < source.size() && source[at_] == '\\' && isBreak(source[at_ + 1])) {
        passEscape();
    }
    return std::min(at_, source.size());
}

Text TextCursor::piece(size_t begin, size_t end) {
    Text result;
    end = std::min(end, text_.value.size());
    begin = std::min(begin, end);
    result.value = text_.value.substr(begin, end - begin);
    result.offset = offsetOf(begin);
    result.pos = source_.position(result.offset);
    result.style = text_.style;
    result.present = true;
    return result;
}

bool TextCursor::isBlock() const {
    return text_.style == '|' || text_.style == '>';
}

bool TextCursor::blankRunEndsLine() const {
    const std::string& source = source_.text();
    size_t end = at_;
    while (end < source.size() && isSpaceOrTab(source[end])) {
        ++end;
    }
    return end < source.size() && isBreak(source[end]);
}

// Passes a run of line ends with the white space around it, which is one space or some line feeds in the value. If the
// target lies inside of it, nothing is passed, and `inside` is set to the offset of the target.
bool TextCursor::passFold(size_t target, size_t& inside) {
    const std::string& source = source_.text();
    const std::string& value = text_.value;
    size_t at = at_;
    size_t passed = value_;
    while (at < source.size() && (isSpaceOrTab(source[at]) || isBreak(source[at]))) {
        ++at;
    }
    if (!isBlock()) {
        size_t breaks = std::count(source.begin() + at_, source.begin() + at, '\n');
        passed += breaks > 1 ? breaks - 1 : 1;
    } else {
        while (passed < value.size() && (value[passed] == '\n' || isSpaceOrTab(value[passed]))) {
            ++passed;
        }
    }
    if (target < passed) {
        // Leading blanks of a block scalar's line stand where they stood; everything else is the line end itself.
        bool isLeadingBlank = isBlock() && target > value_ && value.find('\n', target) >= passed;
        inside = isLeadingBlank ? at - (passed - target) : at_;
        return false;
    }
    at_ = at;
    value_ = passed;
    return true;
}

void TextCursor::passEscape() {
    const std::string& source = source_.text();
    char kind = at_ + 1 < source.size() ? source[at_ + 1] : '\0';
    if (isBreak(kind)) {
        at_ += 2;
        while (at_ < source.size() && (isSpaceOrTab(source[at_]) || isBreak(source[at_]))) {
            ++at_;
        }
        return;
    }
    size_t digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
    at_ = std::min(at_ + 2 + digits, source.size());
    // The value holds one character for it, of as many bytes as it takes.
    ++value_;
    while (value_ < text_.value.size() && isContinuationByte(text_.value[value_])) {
        ++value_;
    }
}

}  // namespace specql
