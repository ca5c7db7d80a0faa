// Exact decimal numbers, for sums from which values are subtracted again: twelve digits after the point, twenty-five
// before.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace specql::time {

class Decimal {
public:
    Decimal() = default;
    explicit Decimal(int64_t whole) : units_(static_cast<__int128>(whole) * scale) {}

    // Reads "-12.50"; digits behind the twelfth are rounded away. False if it is no number or too large.
    static bool parse(std::string_view text, Decimal& value);
    // The shortest text that reads to it.
    std::string text() const;
    // Rounded down, within the range of the type.
    int64_t floor() const;

    Decimal& operator+=(const Decimal& other) {
        units_ += other.units_;
        return *this;
    }
    Decimal& operator-=(const Decimal& other) {
        units_ -= other.units_;
        return *this;
    }
    // -1, 0 or 1 if it is less than, equal to or greater than other × count.
    int compare(const Decimal& other, int64_t count = 1) const;

private:
    static constexpr int64_t scale = 1000000000000;
    __int128 units_ = 0;
};

}  // namespace specql::time
