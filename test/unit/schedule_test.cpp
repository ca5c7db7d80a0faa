#include "time/schedule.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace {

using namespace specql::time;

constexpr int64_t hour = 3600, day = 24 * hour;

Schedule parse(const std::string& text) {
    ScheduleProblem problem;
    std::optional<Schedule> schedule = parseSchedule(text, problem);
    EXPECT_TRUE(schedule) << text << ": " << problem.message;
    return schedule.value_or(Schedule());
}

std::string problemOf(const std::string& text) {
    ScheduleProblem problem;
    EXPECT_FALSE(parseSchedule(text, problem)) << text;
    return std::to_string(problem.offset) + ": " + problem.message;
}

// Clocks are an hour ahead of UTC, and two hours between days 100 and 200, each from 01:00 UTC on.
int64_t summer(int64_t instant) {
    return instant >= 100 * day + hour && instant < 200 * day + hour ? 2 * hour : hour;
}
int64_t utc(int64_t) {
    return 0;
}

std::vector<int64_t> dues(const std::string& text, int64_t after, int count, int64_t (*offset)(int64_t)) {
    const Schedule schedule = parse(text);
    std::vector<int64_t> found;
    for (int i = 0; i < count; i++) {
        after = nextDue(schedule, after, offset).value_or(-1);
        found.push_back(after);
    }
    return found;
}

using Times = std::vector<int64_t>;

TEST(Schedule, CountsFromTheEpoch) {
    EXPECT_EQ(dues("every 5 minutes", 301, 2, utc), (Times{600, 900}));
    EXPECT_EQ(dues("every hour", 0, 2, utc), (Times{3600, 7200}));
    EXPECT_EQ(dues("every 10 seconds", -5, 2, utc), (Times{0, 10}));
}

TEST(Schedule, GoesByTheCalendar) {
    EXPECT_EQ(dues("every day at 06:00", 0, 2, utc), (Times{6 * hour, day + 6 * hour}));
    EXPECT_EQ(dues("every day at 06:00 and 18:30", 0, 3, utc), (Times{6 * hour, 18 * hour + 1800, day + 6 * hour}));
    // 1 January 1970 was a Thursday.
    EXPECT_EQ(dues("every monday", 0, 2, utc), (Times{4 * day, 11 * day}));
    EXPECT_EQ(dues("every weekday at 01:00", 0, 3, utc), (Times{hour, day + hour, 4 * day + hour}));
    EXPECT_EQ(dues("every saturday and Sunday at 01:00", 0, 2, utc), (Times{2 * day + hour, 3 * day + hour}));
    EXPECT_EQ(dues("cron \"30 1 1 2 *\"", 0, 1, utc), (Times{31 * day + hour + 1800}));
    EXPECT_EQ(dues("cron '*/20 0-1 * jan thu'", 0, 6, utc), (Times{1200, 2400, 3600, 4800, 6000, 7 * day}));
    EXPECT_EQ(dues("cron \"0 0 29 2 *\"", 0, 1, utc), (Times{789 * day}));
    EXPECT_EQ(dues("cron \"0 0 * * 7\"", 0, 1, utc), (Times{3 * day}));
}

TEST(Schedule, DayOfMonthOrWeekdayIsEnoughAsInCron) {
    EXPECT_EQ(dues("cron \"0 0 4 * fri\"", 0, 3, utc), (Times{day, 3 * day, 8 * day}));
}

TEST(Schedule, ATimeThatClocksSkipIsWhenTheyAreSet) {
    // At 02:00 of day 100 clocks show 03:00.
    EXPECT_EQ(dues("every day at 02:30", 99 * day + 12 * hour, 2, summer),
              (Times{100 * day + hour, 101 * day + hour / 2}));
    EXPECT_EQ(dues("every day at 03:00", 99 * day + 12 * hour, 2, summer), (Times{100 * day + hour, 101 * day + hour}));
}

TEST(Schedule, ATimeThatComesTwiceIsItsFirst) {
    // At 03:00 of day 200 clocks show 02:00 again.
    EXPECT_EQ(dues("every day at 02:30", 199 * day + 12 * hour, 2, summer),
              (Times{200 * day + hour / 2, 201 * day + 3 * hour / 2}));
    EXPECT_EQ(dues("every day at 02:30", 200 * day + hour, 1, summer), (Times{201 * day + 3 * hour / 2}));
}

TEST(Schedule, WhatComesEveryHourNeitherSkipsNorDoubles) {
    EXPECT_EQ(dues("cron \"30 * * * *\"", 100 * day, 2, summer),
              (Times{100 * day + hour / 2, 100 * day + 3 * hour / 2}));
    EXPECT_EQ(dues("cron \"30 * * * *\"", 200 * day, 3, summer),
              (Times{200 * day + hour / 2, 200 * day + 3 * hour / 2, 200 * day + 5 * hour / 2}));
}

TEST(Schedule, EveryDueTimeIsFoundFromEveryInstant) {
    const Schedule schedule = parse("cron \"*/10 * * * *\"");
    for (int64_t at : {100 * day, 200 * day})
        for (int64_t after = at - 3 * hour; after < at + 3 * hour; after += 70)
            EXPECT_EQ(nextDue(schedule, after, summer), (after / 600 + 1) * 600);
}

TEST(Schedule, KnowsItsZone) {
    EXPECT_EQ(parse("every day at 06:00 in Europe/Berlin").zone, "Europe/Berlin");
    EXPECT_EQ(parse("every day at 06:00").zone, "");
    EXPECT_EQ(scheduleText("  Every Monday , tuesday\n at 06:00  in Europe/Berlin"),
              "every monday, tuesday at 06:00 in Europe/Berlin");
    EXPECT_TRUE(isSchedule(" Every day"));
    EXPECT_TRUE(isSchedule("cron \"\""));
    EXPECT_FALSE(isSchedule("everyday"));
}

TEST(Schedule, SaysWhatIsWrongAndWhere) {
    EXPECT_EQ(problemOf("every"), "5: every what?");
    EXPECT_EQ(problemOf("every 0 minutes"), "6: this is no number of minutes or hours from 1 to 9999");
    EXPECT_EQ(problemOf("every 3 days"), "8: a schedule counts seconds, minutes or hours");
    EXPECT_EQ(problemOf("every month"), "6: every month on which day?");
    EXPECT_EQ(problemOf("every day at 6"), "13: a time of day is written from 00:00 to 23:59");
    EXPECT_EQ(problemOf("every day at 24:00"), "13: a time of day is written from 00:00 to 23:59");
    EXPECT_EQ(problemOf("every day at"), "12: a time of day is written from 00:00 to 23:59");
    EXPECT_EQ(problemOf("every 5 minutes in Europe/Berlin"), "16: this schedule is the same in all time zones");
    EXPECT_EQ(problemOf("every day in"), "12: in which time zone?");
    EXPECT_EQ(problemOf("every day at 06:00 please"), "19: this does not belong to a schedule");
    EXPECT_EQ(problemOf("cron 0 6 * * *"), "5: cron's fields stand in quotes");
    EXPECT_EQ(problemOf("cron \"0 6 * *\""), "5: cron has five fields, and this has 4");
    EXPECT_EQ(problemOf("cron \"0 25 * * *\""), "5: the hour of a cron is not understood: 25");
    EXPECT_EQ(problemOf("cron \"0 6 L * *\""), "5: the day of the month of a cron is not understood: l");
    EXPECT_EQ(problemOf("cron \"0,,1 6 * * *\""), "5: the minute of a cron is not understood: ");
    EXPECT_EQ(problemOf("cron \"0 0 30 2 *\""), "0: this day never comes");
    EXPECT_EQ(problemOf("cron \"*/0 * * * *\""), "5: the minute of a cron is not understood: */0");
}

}  // namespace
