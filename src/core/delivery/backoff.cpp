#include "delivery/backoff.hpp"

#include <algorithm>
#include <string>

#include "text/ascii.hpp"

namespace specql::delivery {

namespace {

constexpr int64_t longestWaitSeconds = 24 * 3600;

// Days from 1970-01-01 to a date of the Gregorian calendar.
int64_t daysFromEpoch(int64_t year, int month, int day) {
    year -= month <= 2 ? 1 : 0;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t yearOfEra = year - era * 400;
    int64_t dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear;
    return era * 146097 + dayOfEra - 719468;
}

// The digits at [at, at + count) as a number; -1 if one is none.
int digits(std::string_view text, size_t at, size_t count) {
    int number = 0;
    for (size_t i = at; i < at + count; ++i) {
        if (i >= text.size() || !isAsciiDigit(text[i])) {
            return -1;
        }
        number = number * 10 + (text[i] - '0');
    }
    return number;
}

// "Fri, 31 Dec 1999 23:59:59 GMT", the one form that servers may send today; -1 if it is not that.
int64_t httpDate(std::string_view text) {
    constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    if (text.size() != 29 || text.substr(3, 2) != ", " || text.substr(25) != " GMT") {
        return -1;
    }
    size_t month = months.find(text.substr(8, 3));
    int day = digits(text, 5, 2), year = digits(text, 12, 4);
    int hour = digits(text, 17, 2), minute = digits(text, 20, 2), second = digits(text, 23, 2);
    if (month == std::string_view::npos || month % 3 != 0 || day < 1 || day > 31 || year < 1970 || hour < 0 ||
        hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) {
        return -1;
    }
    return daysFromEpoch(year, static_cast<int>(month / 3) + 1, day) * 86400 + hour * 3600 + minute * 60 + second;
}

}  // namespace

int64_t backoffMs(int64_t baseMs, int attempt, double chance) {
    int doublings = std::min(std::max(attempt - 1, 0), 30);
    int64_t base = std::min(std::max<int64_t>(baseMs, 0), longestBackoffMs);
    int64_t longest = std::min(base << doublings, longestBackoffMs);
    return static_cast<int64_t>(static_cast<double>(longest) * chance);
}

int64_t retryAfterSeconds(std::string_view value, int64_t now) {
    while (!value.empty() && isSpace(value.front())) {
        value.remove_prefix(1);
    }
    while (!value.empty() && isSpace(value.back())) {
        value.remove_suffix(1);
    }
    int64_t seconds = -1;
    if (!value.empty() && std::all_of(value.begin(), value.end(), isAsciiDigit)) {
        seconds = value.size() > 6 ? longestWaitSeconds : digits(value, 0, value.size());
    } else if (int64_t time = httpDate(value); time >= 0) {
        seconds = std::max<int64_t>(time - now, 0);
    }
    return std::min(seconds, longestWaitSeconds);
}

}  // namespace specql::delivery
