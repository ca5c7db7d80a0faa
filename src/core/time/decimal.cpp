#include "time/decimal.hpp"

#include <algorithm>

namespace specql::time {

namespace {

constexpr int fractionDigits = 12;
constexpr int wholeDigits = 25;  // so that a hundred values of this size can be added

}  // namespace

bool Decimal::parse(std::string_view text, Decimal& value) {
    bool negative = !text.empty() && text.front() == '-';
    if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
    __int128 units = 0;
    int whole = 0, fraction = 0;
    bool point = false, any = false, roundUp = false;
    for (char c : text) {
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9') return false;
        any = true;
        if (point && fraction == fractionDigits) {
            roundUp = c >= '5';
            fraction++;
        }
        if (point && fraction > fractionDigits) continue;
        if (!point && (units > 0 || c != '0') && ++whole > wholeDigits) return false;
        units = units * 10 + (c - '0');
        fraction += point ? 1 : 0;
    }
    if (!any) return false;
    for (int digits = fraction; digits < fractionDigits; digits++)
        units *= 10;
    units += roundUp ? 1 : 0;
    value.units_ = negative ? -units : units;
    return true;
}

std::string Decimal::text() const {
    bool negative = units_ < 0;
    unsigned __int128 rest =
        negative ? -static_cast<unsigned __int128>(units_) : static_cast<unsigned __int128>(units_);
    std::string digits;
    for (; rest > 0 || digits.size() <= fractionDigits; rest /= 10)
        digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(rest % 10)));
    digits.insert(digits.size() - fractionDigits, 1, '.');
    while (digits.back() == '0')
        digits.pop_back();
    if (digits.back() == '.') digits.pop_back();
    return (negative ? "-" : "") + digits;
}

int64_t Decimal::floor() const {
    __int128 whole = units_ / scale;
    if (units_ < 0 && units_ % scale != 0) whole--;
    return static_cast<int64_t>(std::clamp<__int128>(whole, INT64_MIN, INT64_MAX));
}

int Decimal::compare(const Decimal& other, int64_t count) const {
    __int128 product;
    if (__builtin_mul_overflow(other.units_, static_cast<__int128>(count), &product))
        return (other.units_ < 0) == (count < 0) ? -1 : 1;
    return units_ < product ? -1 : units_ > product ? 1 : 0;
}

}  // namespace specql::time
