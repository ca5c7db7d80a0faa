// UTF-8 functions for the core, which can use neither a locale nor the functions of the server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace specql {

// Marks a byte sequence that is no character.
constexpr char32_t invalidCodePoint = 0xFFFFFFFF;

// Reads the character at `at` and moves `at` behind it. Overlong forms, surrogates, values above U+10FFFF and cut-off
// sequences give invalidCodePoint and move `at` by one byte. `at` must be inside the text.
char32_t decodeUtf8(std::string_view text, size_t& at);

void appendUtf8(std::string& out, char32_t codePoint);

inline bool isContinuationByte(char c) {
    return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

// How many columns of a terminal the character takes: 0, 1 or 2.
int displayWidth(char32_t codePoint);

// True for characters without a visible form: soft hyphen, zero-width space, joiners and the like.
bool isInvisible(char32_t codePoint);

// True for spaces that YAML and SQL do not treat as such: the no-break space, wide and narrow spaces.
bool isForeignBlank(char32_t codePoint);

bool isLatin(char32_t codePoint);

// The script of a letter that may look like a Latin one: "Greek", "Cyrillic"; nullptr of any other character.
const char* lookAlikeScript(char32_t codePoint);

// "U+200B".
std::string codePointName(char32_t codePoint);

// True for characters that have no business in a spec: NUL and other controls, bidirectional overrides (they make a
// line read differently from what it does), line separators YAML and editors disagree about, noncharacters.
bool isForbidden(char32_t codePoint);

}  // namespace specql
