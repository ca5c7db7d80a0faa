#include "delivery/rate.hpp"

#include <algorithm>

#include "text/ascii.hpp"

namespace specql::delivery {

namespace {

struct Unit {
    std::string_view name;
    int64_t ms;
};
constexpr Unit units[] = {{"second", 1000}, {"minute", 60 * 1000}, {"hour", 3600 * 1000}};

constexpr int64_t usPerMs = 1000;

// Takes the first word off a text.
std::string_view nextWord(std::string_view& text) {
    while (!text.empty() && isSpace(text.front()))
        text.remove_prefix(1);
    size_t length = 0;
    while (length < text.size() && !isSpace(text[length]))
        ++length;
    std::string_view word = text.substr(0, length);
    text.remove_prefix(length);
    return word;
}

}  // namespace

std::string parseRate(std::string_view text, Rate& rate) {
    const std::string form = "it must be a number per second, minute or hour";
    std::string_view number = nextWord(text), per = nextWord(text), name = nextWord(text);
    if (number.empty() || !std::all_of(number.begin(), number.end(), isAsciiDigit) || per != "per" ||
        !nextWord(text).empty())
        return form;
    int64_t calls = 0;
    for (char digit : number)
        calls = std::min(calls * 10 + (digit - '0'), mostCallsOfRate + 1);
    if (calls < 1 || calls > mostCallsOfRate) return "its number must be from 1 to 1000000";
    for (const Unit& unit : units)
        if (unit.name == name) {
            rate = {calls, unit.ms, calls};
            return {};
        }
    return form;
}

// ---- one stretch of time --------------------------------------------------------------------------------------------

void CallWindow::begin(int64_t limit, int64_t lengthUs, int64_t now, int64_t knownSince) {
    limit_ = limit;
    partUs_ = std::max<int64_t>(1, (lengthUs + parts - 1) / parts);
    first_ = now / partUs_ - parts;
    std::fill(counts_, counts_ + slots, 0);
    // The last part is the one that has just begun.
    for (int64_t i = 0; i < parts; ++i) {
        int64_t part = first_ + 1 + i;
        if (part * partUs_ >= knownSince) break;
        countOf(part) = static_cast<int32_t>(limit * (i + 1) / parts - limit * i / parts);
    }
}

int64_t CallWindow::total() const {
    int64_t sum = 0;
    for (int32_t count : counts_)
        sum += count;
    return sum;
}

void CallWindow::advance(int64_t now) {
    int64_t first = now / partUs_ - parts;
    if (first <= first_) return;
    for (int64_t part = first_; part < std::min(first, first_ + slots); ++part)
        countOf(part) = 0;
    first_ = first;
}

int64_t CallWindow::room(int64_t now) {
    advance(now);
    return std::max<int64_t>(0, limit_ - total());
}

void CallWindow::add(int64_t now, int64_t calls) {
    int64_t part = now / partUs_ + ahead;
    if (part < first_) return;
    int32_t& count = countOf(part);
    count = static_cast<int32_t>(std::max<int64_t>(0, count + calls));
}

bool CallWindow::move(int64_t from, int64_t to) {
    if (from < first_ || countOf(from) == 0) return false;
    --countOf(from);
    ++countOf(to);
    return true;
}

bool CallWindow::moveStart(int64_t since, int64_t now) {
    advance(now);
    return move(since / partUs_ + ahead, now / partUs_ + ahead);
}

void CallWindow::end(int64_t since, int64_t now) {
    advance(now);
    int64_t from = since / partUs_ + ahead, to = now / partUs_;
    if (to < from) move(from, to);
}

int64_t CallWindow::nextAt(int64_t now) {
    advance(now);
    int64_t sum = total(), part = first_;
    if (sum < limit_) return now;
    while (sum - countOf(part) >= limit_)
        sum -= countOf(part++);
    return (part + parts + 1) * partUs_;
}

// ---- a rate ---------------------------------------------------------------------------------------------------------

void RateState::begin(const Rate& rate, int64_t now, int64_t knownSince) {
    rate_ = rate;
    count_ = 0;
    // As many at once as the burst says, and then again when the rate allows that many.
    windows_[count_++].begin(rate.burst, rate.perMs * usPerMs * rate.burst / rate.calls, now, knownSince);
    if (rate.burst < rate.calls) windows_[count_++].begin(rate.calls, rate.perMs * usPerMs, now, knownSince);
}

bool RateState::isOf(const Rate& rate) const {
    return rate_.calls == rate.calls && rate_.perMs == rate.perMs && rate_.burst == rate.burst;
}

int64_t RateState::room(int64_t now) {
    int64_t most = windows_[0].room(now);
    if (count_ > 1) most = std::min(most, windows_[1].room(now));
    return most;
}

int64_t RateState::take(int64_t now, int64_t wanted) {
    int64_t taken = std::min(wanted, room(now));
    for (int i = 0; i < count_ && taken > 0; ++i)
        windows_[i].add(now, taken);
    return std::max<int64_t>(0, taken);
}

void RateState::giveBack(int64_t since, int64_t now, int64_t calls) {
    (void)room(now);
    for (int i = 0; i < count_; ++i)
        windows_[i].add(since, -calls);
}

bool RateState::start(int64_t since, int64_t now) {
    bool counted = true;
    for (int i = 0; i < count_; ++i) {
        bool moved = windows_[i].moveStart(since, now);
        if (moved) continue;
        // The shorter window comes first: what it has forgotten the longer one may know.
        counted = windows_[i].room(now) > 0;
        if (!counted) break;
        windows_[i].add(now, 1);
    }
    return counted;
}

void RateState::end(int64_t since, int64_t now) {
    for (int i = 0; i < count_; ++i)
        windows_[i].end(since, now);
}

int64_t RateState::nextAt(int64_t now) {
    int64_t at = windows_[0].nextAt(now);
    return count_ > 1 ? std::max(at, windows_[1].nextAt(now)) : at;
}

}  // namespace specql::delivery
