// Schedules: "every 5 minutes", "every day at 06:00 in Europe/Berlin", 'cron "0 6 * * 1-5"'. Pure computation; times
// and the clocks of zones are arguments.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace specql::time {

// How many seconds the clocks of a zone are ahead of UTC at an instant, which is in seconds since 1970.
using ZoneOffset = std::function<int64_t(int64_t instant)>;

struct Schedule {
    int64_t every = 0;  // seconds: due whenever so many have passed since 1970 (UTC); 0: by the calendar

    // The calendar: what wall clocks show when it is due.
    std::bitset<24 * 60> minutes;                      // of the day
    std::bitset<32> days = std::bitset<32>().set();    // of the month, from 1
    std::bitset<13> months = std::bitset<13>().set();  // from 1
    std::bitset<7> weekdays = std::bitset<7>().set();  // from Sunday
    bool anyDay = true, anyWeekday = true;  // if neither, a day that is one of them is enough, as cron has it
    std::string zone;                       // by name; empty: the text names none, which is UTC

    // False for one that never comes, as of 30 February.
    bool comes() const;
};

struct ScheduleProblem {
    size_t offset = 0;  // in the text, in bytes
    std::string message, hint;
};

// Whether a text is meant to be a schedule.
bool isSchedule(std::string_view text);

// The text as it is kept: with single blanks, none at its ends, and in small letters but for its zone.
std::string scheduleText(std::string_view text);

// Nothing if the text is no schedule; then `problem` says where and why.
std::optional<Schedule> parseSchedule(std::string_view text, ScheduleProblem& problem);

// When it is due next after an instant, both in seconds since 1970. A time that clocks skip is the moment at which they
// are set forward, and one that they show twice is its first time; but a schedule that comes in every hour of the day
// is not due in what is skipped, and due both times in what comes twice. Nothing if it is not due for ten years.
std::optional<int64_t> nextDue(const Schedule& schedule, int64_t after, const ZoneOffset& offset);

}  // namespace specql::time
