#include "text/sql_text.hpp"

#include <algorithm>

#include "text/ascii.hpp"

namespace specql {

namespace {

size_t afterQuoted(std::string_view text, size_t at, bool hasBackslashes) {
    char quote = text[at++];
    while (at < text.size()) {
        if (hasBackslashes && text[at] == '\\') {
            at += 2;
        } else if (text[at] == quote) {
            if (at + 1 >= text.size() || text[at + 1] != quote) {
                return at + 1;
            }
            at += 2;
        } else {
            ++at;
        }
    }
    return text.size();
}

// The offset behind `$tag$ … $tag$`; `at` + 1 if no dollar quote starts at `at`.
size_t afterDollarQuoted(std::string_view text, size_t at) {
    size_t end = at + 1;
    while (end < text.size() && isNamePart(text[end]) && text[end] != '$') {
        ++end;
    }
    bool isTag = end < text.size() && text[end] == '$' && !isAsciiDigit(text[at + 1]);
    if (!isTag) {
        return at + 1;
    }
    std::string_view tag = text.substr(at, end + 1 - at);
    size_t close = text.find(tag, end + 1);
    return close == std::string_view::npos ? text.size() : close + tag.size();
}

// The offset behind the lexical unit at `at`: a quoted piece, a comment, a word, or a single character.
size_t afterUnit(std::string_view text, size_t at) {
    char c = text[at];
    if (c == '\'') {
        bool isEscapeString = at > 0 && toAsciiLower(text[at - 1]) == 'e' && (at == 1 || !isNamePart(text[at - 2]));
        return afterQuoted(text, at, isEscapeString);
    }
    if (c == '"') {
        return afterQuoted(text, at, false);
    }
    if (c == '$') {
        return afterDollarQuoted(text, at);
    }
    if (c == '-' && at + 1 < text.size() && text[at + 1] == '-') {
        return std::min(text.find('\n', at), text.size());
    }
    if (c == '/' && at + 1 < text.size() && text[at + 1] == '*') {
        size_t close = text.find("*/", at + 2);
        return close == std::string_view::npos ? text.size() : close + 2;
    }
    if (isNameStart(c)) {
        size_t end = at + 1;
        while (end < text.size() && isNamePart(text[end])) {
            ++end;
        }
        // In E'…' the prefix and the quote are one unit.
        return end;
    }
    return at + 1;
}

Slice trimmed(std::string_view text, size_t begin, size_t end) {
    while (begin < end && isSpace(text[begin])) {
        ++begin;
    }
    while (end > begin && isSpace(text[end - 1])) {
        --end;
    }
    return {begin, end};
}

int nesting(char c) {
    return c == '(' || c == '[' ? 1 : c == ')' || c == ']' ? -1 : 0;
}

// The end of the keyword if it stands at `at` as whole words; npos otherwise.
size_t matchKeyword(std::string_view text, size_t at, std::string_view keyword) {
    for (size_t i = 0; i < keyword.size(); ++i) {
        if (keyword[i] == ' ') {
            size_t begin = at;
            while (at < text.size() && isSpace(text[at])) {
                ++at;
            }
            if (at == begin) {
                return std::string_view::npos;
            }
        } else if (at >= text.size() || toAsciiLower(text[at]) != toAsciiLower(keyword[i])) {
            return std::string_view::npos;
        } else {
            ++at;
        }
    }
    return at < text.size() && isNamePart(text[at]) ? std::string_view::npos : at;
}

}  // namespace

size_t skipSpace(std::string_view text, size_t at) {
    while (at < text.size() && isSpace(text[at])) {
        ++at;
    }
    return at;
}

size_t trimEnd(std::string_view text, size_t begin, size_t end) {
    while (end > begin && isSpace(text[end - 1])) {
        --end;
    }
    return end;
}

size_t keywordEnd(std::string_view text, size_t at, std::string_view keyword) {
    for (char c : keyword) {
        at = c == ' ' ? skipSpace(text, at) : at + 1;
    }
    return at;
}

std::vector<Slice> splitTopLevel(std::string_view text, char separator, size_t begin, size_t end) {
    end = std::min(end, text.size());
    std::vector<Slice> slices;
    if (begin >= end || trimmed(text, begin, end).empty()) {
        return slices;
    }
    std::string_view part = text.substr(0, end);
    int depth = 0;
    size_t from = begin;
    for (size_t at = begin; at < end;) {
        if (depth == 0 && part[at] == separator) {
            slices.push_back(trimmed(text, from, at));
            from = ++at;
            continue;
        }
        depth = std::max(0, depth + nesting(part[at]));
        at = afterUnit(part, at);
    }
    slices.push_back(trimmed(text, from, end));
    return slices;
}

size_t findKeyword(std::string_view text, std::string_view keyword, size_t from) {
    int depth = 0;
    for (size_t at = from; at < text.size();) {
        if (depth == 0 && isNameStart(text[at])) {
            bool isQualified = at > 0 && text[at - 1] == '.';
            if (!isQualified && matchKeyword(text, at, keyword) != std::string_view::npos) {
                return at;
            }
        }
        depth = std::max(0, depth + nesting(text[at]));
        at = afterUnit(text, at);
    }
    return std::string_view::npos;
}

size_t closingParen(std::string_view text, size_t open) {
    int depth = 0;
    for (size_t at = open; at < text.size(); at = afterUnit(text, at)) {
        depth += nesting(text[at]);
        if (depth == 0) {
            return at;
        }
    }
    return std::string_view::npos;
}

size_t nameLength(std::string_view text, size_t at) {
    size_t end = at;
    for (;;) {
        size_t part = end;
        if (part < text.size() && text[part] == '"') {
            part = afterQuoted(text, part, false);
            bool isClosed = part - end > 2 && text[part - 1] == '"';
            if (!isClosed) {
                return end > at ? end - 1 - at : 0;
            }
        } else if (part < text.size() && isNameStart(text[part])) {
            while (part < text.size() && isNamePart(text[part])) {
                ++part;
            }
        } else {
            // A dot that no name follows is not part of the name.
            return end > at ? end - 1 - at : 0;
        }
        end = part;
        if (end >= text.size() || text[end] != '.') {
            return end - at;
        }
        ++end;
    }
}

std::vector<std::string> nameParts(std::string_view name) {
    std::vector<std::string> parts;
    if (name.empty() || nameLength(name, 0) != name.size()) {
        return parts;
    }
    for (size_t at = 0; at < name.size(); ++at) {
        std::string part;
        bool isQuoted = name[at] == '"';
        size_t end = isQuoted ? afterQuoted(name, at, false) : std::min(name.find('.', at), name.size());
        for (size_t i = at + isQuoted; i < end - isQuoted; ++i) {
            part += isQuoted ? name[i] : toAsciiLower(name[i]);
            i += isQuoted && name[i] == '"' ? 1 : 0;
        }
        parts.push_back(std::move(part));
        at = end;
    }
    return parts;
}

bool hasComment(std::string_view text) {
    for (size_t at = 0; at < text.size(); at = afterUnit(text, at)) {
        std::string_view two = text.substr(at, 2);
        if (two == "--" || two == "/*") {
            return true;
        }
    }
    return false;
}

std::string snakeCase(std::string_view name) {
    std::string out;
    for (size_t i = 0; i < name.size(); ++i) {
        char c = name[i];
        bool afterSmall = i > 0 && (isAsciiLower(name[i - 1]) || isAsciiDigit(name[i - 1]));
        // The last capital of a run begins the next word: HTTPCall is http_call.
        bool endsRun = i > 0 && isAsciiUpper(name[i - 1]) && i + 1 < name.size() && isAsciiLower(name[i + 1]);
        if (isAsciiUpper(c) && (afterSmall || endsRun)) {
            out += '_';
        }
        out += toAsciiLower(c);
    }
    return out;
}

std::string withoutModifiers(const std::string& types) {
    std::string text;
    bool quoted = false;
    for (size_t i = 0; i < types.size(); i++) {
        if (types[i] == '"') quoted = !quoted;
        bool open = !quoted && types[i] == '(';
        size_t end = open ? types.find_first_not_of("0123456789,", i + 1) : std::string::npos;
        if (end != std::string::npos && end > i + 1 && types[end] == ')')
            i = end;
        else
            text += types[i];
    }
    return text;
}

}  // namespace specql
