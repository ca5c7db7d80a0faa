#include "text/duration.hpp"

#include <string>

#include "text/ascii.hpp"

namespace specql {

namespace {

struct Unit {
    std::string_view name;
    int64_t ms;
};
constexpr Unit units[] = {{"ms", 1},          {"millisecond", 1}, {"milliseconds", 1}, {"", 1000},
                          {"s", 1000},        {"sec", 1000},      {"secs", 1000},      {"second", 1000},
                          {"seconds", 1000},  {"min", 60000},     {"mins", 60000},     {"m", 60000},
                          {"minute", 60000},  {"minutes", 60000}, {"h", 3600000},      {"hour", 3600000},
                          {"hours", 3600000}, {"d", 86400000},    {"day", 86400000},   {"days", 86400000}};

}  // namespace

int64_t durationMs(std::string_view text) {
    while (!text.empty() && isSpace(text.back())) {
        text.remove_suffix(1);
    }
    // Up to nine digits before the point and three after it: everything is exact, and nothing overflows.
    int64_t thousandths = 0;
    size_t at = 0, whole = 0, fraction = 0;
    while (at < text.size() && isAsciiDigit(text[at]) && whole < 10) {
        thousandths = thousandths * 10 + (text[at++] - '0');
        ++whole;
    }
    if (at < text.size() && text[at] == '.') {
        ++at;
        while (at < text.size() && isAsciiDigit(text[at]) && fraction < 4) {
            thousandths = thousandths * 10 + (text[at++] - '0');
            ++fraction;
        }
        if (fraction == 0) {
            return -1;
        }
    }
    if (whole == 0 || whole > 9 || fraction > 3) {
        return -1;
    }
    for (size_t i = fraction; i < 3; ++i) {
        thousandths *= 10;
    }
    while (at < text.size() && isSpace(text[at])) {
        ++at;
    }
    std::string name;
    for (char c : text.substr(at)) {
        name += toAsciiLower(c);
    }
    for (const Unit& unit : units) {
        if (unit.name == name) {
            return thousandths * unit.ms / 1000;
        }
    }
    return -1;
}

bool lacksUnit(std::string_view text) {
    bool digits = text.find_first_of("0123456789") != std::string_view::npos;
    return digits && text.find_first_not_of("0123456789.+- \t") == std::string_view::npos;
}

}  // namespace specql
