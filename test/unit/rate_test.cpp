// Rates: never more calls than they say in any stretch of time, wherever it begins, however late calls arrive.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "delivery/rate.hpp"

namespace specql::delivery {

namespace {

constexpr int64_t second = 1000 * 1000;

Rate rateOf(std::string_view text, int64_t burst = 0) {
    Rate rate;
    EXPECT_EQ("", parseRate(text, rate)) << text;
    if (burst > 0) rate.burst = burst;
    return rate;
}

// The most of `times` in any stretch of that length.
size_t mostIn(std::vector<int64_t> times, int64_t length) {
    std::sort(times.begin(), times.end());
    size_t most = 0, first = 0;
    for (size_t i = 0; i < times.size(); ++i) {
        while (times[first] + length <= times[i])
            ++first;
        most = std::max(most, i - first + 1);
    }
    return most;
}

TEST(Rate, IsANumberPerUnit) {
    EXPECT_EQ(10, rateOf("10 per second").calls);
    EXPECT_EQ(1000, rateOf("10 per second").perMs);
    EXPECT_EQ(10, rateOf("10 per second").burst);
    EXPECT_EQ(60 * 1000, rateOf("1  per minute ").perMs);
    EXPECT_EQ(3600 * 1000, rateOf("1000000 per hour").perMs);
    Rate rate;
    for (const char* bad : {"", "10", "per second", "ten per second", "10 per", "10 per s", "10 per second or so",
                            "10/second", "-1 per second", "1.5 per second", "10 second", "10 per fortnight"})
        EXPECT_EQ("it must be a number per second, minute or hour", parseRate(bad, rate)) << bad;
    for (const char* bad : {"0 per second", "1000001 per hour", "99999999999999999999999 per hour"})
        EXPECT_EQ("its number must be from 1 to 1000000", parseRate(bad, rate)) << bad;
}

TEST(Rate, LetsAllOfItLeaveAtOnceAndThenWaits) {
    RateState state;
    state.begin(rateOf("10 per second"), 5 * second, 0);
    EXPECT_EQ(10, state.take(5 * second, 25));
    EXPECT_EQ(0, state.take(5 * second + 1, 25));
    int64_t next = state.nextAt(5 * second + 1);
    EXPECT_GT(next, 6 * second);
    EXPECT_LT(next, 6 * second + second / 3);
    EXPECT_EQ(0, state.take(next - 1, 25));
    EXPECT_EQ(10, state.take(next, 25));
}

TEST(Rate, CountsACallFromItsAnswerOn) {
    RateState state;
    int64_t now = 5 * second;
    state.begin(rateOf("1 per second"), now, 0);
    EXPECT_EQ(1, state.take(now, 1));
    EXPECT_TRUE(state.start(now, now));
    state.end(now, now + 10 * 1000);
    int64_t next = state.nextAt(now + 10 * 1000);
    EXPECT_GE(next, now + 10 * 1000 + second);
    EXPECT_LT(next, now + 10 * 1000 + second + 2 * (second / 64 + 1));
}

TEST(Rate, BeginsAsIfItHadBeenUsedEvenly) {
    RateState state;
    int64_t now = 100 * second;
    state.begin(rateOf("60 per minute"), now, now);
    EXPECT_EQ(0, state.take(now, 100));
    int64_t left = 0;
    for (int64_t at = now; at < now + 60 * second; at += second / 4) {
        int64_t taken = state.take(at, 100);
        EXPECT_LE(taken, 2);
        left += taken;
        EXPECT_LE(left, (at - now) / second + 1);
    }
    EXPECT_GE(left, 55);
    // What is known of a part of the minute is not assumed.
    state.begin(rateOf("60 per minute"), now, now - 30 * second);
    EXPECT_GE(state.take(now, 100), 28);
    // One alone may have left a moment ago.
    state.begin(rateOf("1 per hour"), now, now);
    EXPECT_EQ(0, state.take(now + 3598 * second, 1));
}

TEST(Rate, TakesBackWhatDidNotLeave) {
    RateState state;
    int64_t now = 5 * second;
    state.begin(rateOf("10 per second", 5), now, 0);
    EXPECT_EQ(5, state.take(now, 8));
    state.giveBack(now, now, 3);
    EXPECT_EQ(3, state.take(now + 1, 8));
    state.giveBack(now, now + 100 * second, 3);
    EXPECT_EQ(5, state.take(now + 100 * second, 8));
}

// Workers that take, start late, and get their answers when they like; the receiver sees a call somewhere in between.
void simulate(const Rate& rate, unsigned seed, int64_t longestAnswer, std::vector<int64_t>& seen) {
    struct Call {
        int64_t since, startsAt, endsAt;
        bool started;
    };
    std::mt19937 random(seed);
    auto below = [&random](int64_t limit) { return static_cast<int64_t>(random()) % std::max<int64_t>(limit, 1); };
    RateState state;
    std::vector<Call> calls;
    int64_t per = rate.perMs * 1000;
    state.begin(rate, 0, 0);
    for (int64_t now = 0; now < 20 * per; now += 1 + below(per / 50)) {
        int64_t taken = state.take(now, below(rate.calls * 2));
        for (int64_t i = 0; i < taken; ++i)
            // Now and then one waits for long.
            calls.push_back({now, now + below(below(20) == 0 ? 3 * per : per / 20), 0, false});
        for (size_t i = 0; i < calls.size();) {
            Call& call = calls[i];
            bool over = false;
            if (!call.started && call.startsAt <= now) {
                over = !state.start(call.since, now);
                call.since = now;
                call.started = true;
                call.endsAt = now + below(longestAnswer);
                if (!over) seen.push_back(now + below(call.endsAt - now + 1));
            } else if (call.started && call.endsAt <= now) {
                state.end(call.since, call.endsAt);
                over = true;
            }
            if (over)
                calls.erase(calls.begin() + static_cast<std::ptrdiff_t>(i));
            else
                ++i;
        }
    }
}

TEST(Rate, IsNeverExceeded) {
    for (unsigned seed = 1; seed <= 20; ++seed) {
        std::vector<int64_t> seen;
        Rate rate = rateOf("50 per second");
        simulate(rate, seed, second / 4, seen);
        EXPECT_LE(mostIn(seen, second), 50U) << seed;
        // And what it allows leaves, but for what the answers take.
        EXPECT_GE(seen.size(), 20U * 50 * 6 / 10) << seed;
    }
}

TEST(Rate, IsNotExceededByABurstThatIsLess) {
    for (unsigned seed = 1; seed <= 20; ++seed) {
        std::vector<int64_t> seen;
        simulate(rateOf("50 per second", 7), seed, second * 7 / 50 / 4, seen);
        EXPECT_LE(mostIn(seen, second), 50U) << seed;
        EXPECT_LE(mostIn(seen, second * 7 / 50), 7U) << seed;
    }
}

TEST(Rate, SavesUpForABurstThatIsMore) {
    RateState state;
    state.begin(rateOf("10 per second", 40), 0, 0);
    EXPECT_EQ(40, state.take(10 * second, 100));
    EXPECT_EQ(0, state.take(13 * second, 100));
    EXPECT_EQ(40, state.take(16 * second, 100));
}

}  // namespace

}  // namespace specql::delivery
