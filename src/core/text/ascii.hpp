// Character classes of ASCII. Not <cctype>: the server sets a locale, and a spec must read the same under all.
#pragma once

namespace specql {

inline bool isAsciiDigit(char c) {
    return c >= '0' && c <= '9';
}
inline bool isAsciiUpper(char c) {
    return c >= 'A' && c <= 'Z';
}
inline bool isAsciiLower(char c) {
    return c >= 'a' && c <= 'z';
}
inline char toAsciiLower(char c) {
    return isAsciiUpper(c) ? static_cast<char>(c - 'A' + 'a') : c;
}
inline bool isSpaceOrTab(char c) {
    return c == ' ' || c == '\t';
}
inline bool isSpace(char c) {
    return isSpaceOrTab(c) || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

// What an unquoted SQL identifier may begin with and go on with; every character beyond ASCII may be a letter.
inline bool isNameStart(char c) {
    return isAsciiUpper(c) || isAsciiLower(c) || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
inline bool isNamePart(char c) {
    return isNameStart(c) || isAsciiDigit(c) || c == '$';
}

}  // namespace specql
