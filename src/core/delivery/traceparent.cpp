#include "delivery/traceparent.hpp"

#include <algorithm>

namespace specql::delivery {

namespace {

constexpr size_t longestComment = 4096;

bool isHex(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// An id of zeros stands for none.
bool isId(std::string_view text) {
    return isHex(text) && text.find_first_not_of('0') != std::string_view::npos;
}

bool endsWith(std::string_view text, std::string_view end) {
    return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

void skipSpace(std::string_view& text) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
}

// The text of the comment that the statement ends with; empty if it ends otherwise. Nothing but a comment can end with
// these two characters: what stands in a literal has a quote behind it, and there are no postfix operators.
std::string_view lastComment(std::string_view sql) {
    size_t end = sql.find_last_not_of(" \t\r\n;");
    sql = sql.substr(0, end == std::string_view::npos ? 0 : end + 1);
    if (!endsWith(sql, "*/")) return {};
    sql.remove_suffix(2);
    if (sql.size() > longestComment) sql.remove_prefix(sql.size() - longestComment);
    size_t begin = sql.rfind("/*");
    return begin == std::string_view::npos ? std::string_view() : sql.substr(begin + 2);
}

// Takes key='value' from the beginning; false if something else stands there. In the value \' is a quote.
bool takePair(std::string_view& text, std::string_view& key, std::string_view& value) {
    skipSpace(text);
    size_t equals = text.find_first_of("=', \t\r\n");
    if (equals == 0 || equals == std::string_view::npos || text.substr(equals, 2) != "='") return false;
    key = text.substr(0, equals);
    text.remove_prefix(equals + 2);
    size_t quote = 0;
    while (quote < text.size() && text[quote] != '\'')
        quote += text[quote] == '\\' ? 2 : 1;
    if (quote >= text.size()) return false;
    value = text.substr(0, quote);
    text.remove_prefix(quote + 1);
    skipSpace(text);
    return true;
}

}  // namespace

bool isTraceparent(std::string_view value) {
    if (value.size() < traceparentLength || value[2] != '-' || value[35] != '-' || value[52] != '-') return false;
    std::string_view version = value.substr(0, 2);
    bool fits = version == "00" ? value.size() == traceparentLength
                                : value.size() == traceparentLength || value[traceparentLength] == '-';
    return fits && isHex(version) && version != "ff" && isId(value.substr(3, 32)) && isId(value.substr(36, 16)) &&
           isHex(value.substr(53, 2));
}

std::string_view commentedTraceparent(std::string_view sql) {
    std::string_view text = lastComment(sql), key, value, found;
    if (text.empty()) return {};
    for (;;) {
        if (!takePair(text, key, value)) return {};
        if (key == "traceparent") found = value;
        if (text.empty()) break;
        if (text.front() != ',') return {};
        text.remove_prefix(1);
    }
    return isTraceparent(found) ? found : std::string_view();
}

}  // namespace specql::delivery
