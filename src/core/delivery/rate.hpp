// How many calls may leave, and when: never more than a rate says in any stretch of time, wherever that begins. Time is
// an argument: microseconds of a clock that never steps back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace specql::delivery {

constexpr int64_t mostCallsOfRate = 1000000;

struct Rate {
    int64_t calls = 0;
    int64_t perMs = 0;
    int64_t burst = 0;  // as many may leave at once after a pause; more than `calls`: that many in longer a time
};

// Reads "10 per second", per minute or per hour. Returns what is wrong; empty if nothing is.
std::string parseRate(std::string_view text, Rate& rate);

// Counts the calls in a stretch of time that moves on. It is passive and of a fixed size, because it lies in memory
// that processes share.
//
// The receiver sees a call at some moment between its start and its answer. So a call is counted at the end of that
// time: ahead of the present until its answer is there, at most a quarter of the stretch.
class CallWindow {
public:
    // `limit` calls in `lengthUs`. Nobody knows what left before `knownSince`: as if the limit had been used evenly.
    void begin(int64_t limit, int64_t lengthUs, int64_t now, int64_t knownSince);
    // How many calls may leave.
    int64_t room(int64_t now);
    // Counts calls that leave at `now`; for less than 0 takes back what was counted at that time.
    void add(int64_t now, int64_t calls);
    // A call that was counted at `since` leaves only now. False if it is not counted any more.
    bool moveStart(int64_t since, int64_t now);
    // The answer of a call that left at `since` is there.
    void end(int64_t since, int64_t now);
    // When a call may leave.
    int64_t nextAt(int64_t now);

private:
    // A call counts until its part of the stretch has left it as a whole.
    static constexpr int64_t parts = 64;
    static constexpr int64_t ahead = parts / 4;
    static constexpr int64_t slots = parts + ahead + 1;

    // Parts before the clock began are negative.
    int32_t& countOf(int64_t part) { return counts_[(part % slots + slots) % slots]; }
    int64_t total() const;
    void advance(int64_t now);
    bool move(int64_t from, int64_t to);

    int64_t limit_;
    int64_t partUs_;
    int64_t first_;  // the first part that counts
    int32_t counts_[slots];
};

// A rate of several processes.
class RateState {
public:
    void begin(const Rate& rate, int64_t now, int64_t knownSince);
    bool isOf(const Rate& rate) const;
    // How many of the calls that are wanted may leave now; they are counted.
    int64_t take(int64_t now, int64_t wanted);
    // Calls that take() has counted at `since` do not leave.
    void giveBack(int64_t since, int64_t now, int64_t calls);
    // A call that take() has counted at `since` leaves now. False if it may not: so much time has gone by that it was
    // not counted any more, and there is no room.
    bool start(int64_t since, int64_t now);
    // The answer of a call that left at `since` is there.
    void end(int64_t since, int64_t now);
    // When a call may leave; not after `now` if one may now.
    int64_t nextAt(int64_t now);

private:
    int64_t room(int64_t now);

    Rate rate_;
    int count_;  // of windows
    CallWindow windows_[2];
};

}  // namespace specql::delivery
