#include "text/utf8.hpp"

#include <algorithm>
#include <iterator>

namespace specql {

char32_t decodeUtf8(std::string_view text, size_t& at) {
    auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
    unsigned char first = byte(at);
    if (first < 0x80) {
        ++at;
        return first;
    }
    size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || at + length > text.size()) {
        ++at;
        return invalidCodePoint;
    }
    char32_t codePoint = first & (0xFF >> (length + 1));
    for (size_t i = 1; i < length; ++i) {
        if (!isContinuationByte(text[at + i])) {
            ++at;
            return invalidCodePoint;
        }
        codePoint = (codePoint << 6) | (byte(at + i) & 0x3F);
    }
    bool overlong = (length == 3 && codePoint < 0x800) || (length == 4 && codePoint < 0x10000);
    bool surrogate = codePoint >= 0xD800 && codePoint <= 0xDFFF;
    if (overlong || surrogate || codePoint > 0x10FFFF) {
        ++at;
        return invalidCodePoint;
    }
    at += length;
    return codePoint;
}

void appendUtf8(std::string& out, char32_t codePoint) {
    if (codePoint < 0x80) {
        out += static_cast<char>(codePoint);
    } else if (codePoint < 0x800) {
        out += static_cast<char>(0xC0 | (codePoint >> 6));
        out += static_cast<char>(0x80 | (codePoint & 0x3F));
    } else if (codePoint < 0x10000) {
        out += static_cast<char>(0xE0 | (codePoint >> 12));
        out += static_cast<char>(0x80 | ((codePoint >> 6) & 0x3F));
        out += static_cast<char>(0x80 | (codePoint & 0x3F));
    } else {
        out += static_cast<char>(0xF0 | (codePoint >> 18));
        out += static_cast<char>(0x80 | ((codePoint >> 12) & 0x3F));
        out += static_cast<char>(0x80 | ((codePoint >> 6) & 0x3F));
        out += static_cast<char>(0x80 | (codePoint & 0x3F));
    }
}

namespace {

struct Range {
    char32_t first;
    char32_t last;
};

template <size_t N>
bool inRanges(const Range (&ranges)[N], char32_t codePoint) {
    auto end = std::end(ranges);
    auto it = std::lower_bound(std::begin(ranges), end, codePoint,
                               [](const Range& range, char32_t value) { return range.last < value; });
    return it != end && it->first <= codePoint;
}

// Whole blocks instead of Unicode's exact tables, which is enough to place a caret.
constexpr Range zeroWidth[] = {
    {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x0610, 0x061A}, {0x064B, 0x065F},   {0x0E34, 0x0E3A},
    {0x0E47, 0x0E4E}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200B, 0x200D}, {0x20D0, 0x20FF},   {0x302A, 0x302D},
    {0x3099, 0x309A}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}, {0x1F3FB, 0x1F3FF}, {0xE0100, 0xE01EF},
};

constexpr Range doubleWidth[] = {
    {0x1100, 0x115F},   {0x2329, 0x232A},   {0x2705, 0x2705},   {0x270A, 0x270B},   {0x274C, 0x274C},
    {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},
    {0xA960, 0xA97F},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},
    {0xFFE0, 0xFFE6},   {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x1FA70, 0x1FAFF},
    {0x20000, 0x3FFFD},
};

constexpr Range forbidden[] = {
    {0x0000, 0x0008}, {0x000B, 0x000C}, {0x000E, 0x001F}, {0x007F, 0x009F}, {0x061C, 0x061C}, {0x200E, 0x200F},
    {0x2028, 0x2029}, {0x202A, 0x202E}, {0x2066, 0x2069}, {0xFDD0, 0xFDEF}, {0xFEFF, 0xFEFF}, {0xFFFE, 0xFFFF},
};

constexpr Range invisible[] = {
    {0x00AD, 0x00AD}, {0x034F, 0x034F}, {0x061C, 0x061C}, {0x115F, 0x1160}, {0x17B4, 0x17B5},
    {0x180B, 0x180E}, {0x200B, 0x200F}, {0x202A, 0x202E}, {0x2060, 0x206F}, {0x3164, 0x3164},
    {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF}, {0xFFA0, 0xFFA0},
};

constexpr Range foreignBlanks[] = {
    {0x00A0, 0x00A0}, {0x1680, 0x1680}, {0x2000, 0x200A}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000},
};

constexpr Range latin[] = {
    {'A', 'Z'},       {'a', 'z'},       {0x00AA, 0x00AA}, {0x00BA, 0x00BA},
    {0x00C0, 0x00D6}, {0x00D8, 0x00F6}, {0x00F8, 0x024F}, {0x1E00, 0x1EFF},
};

constexpr struct {
    Range range;
    const char* name;
} lookAlikes[] = {
    {{0x0370, 0x03FF}, "Greek"},          {{0x0400, 0x052F}, "Cyrillic"},  {{0x0531, 0x0587}, "Armenian"},
    {{0x13A0, 0x13FD}, "Cherokee"},       {{0x1F00, 0x1FFF}, "Greek"},     {{0x2100, 0x214F}, "letter-like"},
    {{0x2C80, 0x2CFF}, "Coptic"},         {{0xFF21, 0xFF3A}, "fullwidth"}, {{0xFF41, 0xFF5A}, "fullwidth"},
    {{0x1D400, 0x1D7FF}, "mathematical"},
};

}  // namespace

bool isInvisible(char32_t codePoint) {
    return inRanges(invisible, codePoint);
}

bool isForeignBlank(char32_t codePoint) {
    return inRanges(foreignBlanks, codePoint);
}

bool isLatin(char32_t codePoint) {
    return inRanges(latin, codePoint);
}

const char* lookAlikeScript(char32_t codePoint) {
    for (const auto& script : lookAlikes) {
        if (codePoint >= script.range.first && codePoint <= script.range.last) {
            return script.name;
        }
    }
    return nullptr;
}

std::string codePointName(char32_t codePoint) {
    static const char digits[] = "0123456789ABCDEF";
    std::string name;
    for (int shift = codePoint > 0xFFFF ? 20 : 12; shift >= 0; shift -= 4) {
        name += digits[(codePoint >> shift) & 0xF];
    }
    return "U+" + name;
}

int displayWidth(char32_t codePoint) {
    if (codePoint < 0x300) {
        return 1;
    }
    if (inRanges(zeroWidth, codePoint)) {
        return 0;
    }
    return inRanges(doubleWidth, codePoint) ? 2 : 1;
}

bool isForbidden(char32_t codePoint) {
    return inRanges(forbidden, codePoint) || (codePoint & 0xFFFE) == 0xFFFE;
}

}  // namespace specql
