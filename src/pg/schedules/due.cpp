// specql.next_due and specql.last_due: when a schedule comes, by the clocks of its zone.
#include "pg/base/server.hpp"
#include "pg/bridge/entry.hpp"
#include "time/schedule.hpp"

extern "C" {
#include "pgtime.h"
}

namespace specql::schedules {

namespace {

constexpr int64_t toEpoch = INT64CONST(86400) * (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE);

int64_t secondsOf(TimestampTz time) {
    // Rounded down, as a moment within a second is after its beginning.
    return time / USECS_PER_SEC - (time % USECS_PER_SEC < 0 ? 1 : 0) + toEpoch;
}

TimestampTz timeOf(int64_t seconds) {
    return (seconds - toEpoch) * USECS_PER_SEC;
}

int64_t offsetOf(pg_tz* zone, int64_t instant) {
    pg_time_t time = instant;
    const pg_tm* shown = pg_localtime(&time, zone);
    return shown != nullptr ? shown->tm_gmtoff : 0;
}

// What is found, and what keeps it from being found. Plain data, over which an error of the server may jump.
struct Search {
    bool isSchedule = false, found = false;
    char zone[TZ_STRLEN_MAX + 1] = "";
    int64_t instant = 0;
};

// The last due time in a stretch of time: looked for in longer and longer parts of its end.
std::optional<int64_t> lastDue(const time::Schedule& schedule, int64_t after, int64_t until,
                               const time::ZoneOffset& offset) {
    std::optional<int64_t> last;
    for (int64_t stretch = 60; !last; stretch *= 8) {
        const int64_t from = until - after > stretch ? until - stretch : after;
        for (std::optional<int64_t> due = time::nextDue(schedule, from, offset); due && *due <= until;
             due = time::nextDue(schedule, *due, offset))
            last = due;
        if (from == after) break;
    }
    return last;
}

// Fills in the zone and, if that is known already, what is due. Pure C++.
void search(std::string_view text, pg_tz* zone, int64_t after, const int64_t* until, Search* search) {
    time::ScheduleProblem problem;
    const std::optional<time::Schedule> schedule = time::parseSchedule(text, problem);
    search->isSchedule = schedule.has_value();
    if (!schedule) return;
    const std::string& name = schedule->zone.empty() ? "UTC" : schedule->zone;
    search->zone[name.copy(search->zone, TZ_STRLEN_MAX)] = 0;
    if (zone == nullptr) return;
    auto offset = [zone](int64_t instant) { return offsetOf(zone, instant); };
    const std::optional<int64_t> due =
        until != nullptr ? lastDue(*schedule, after, *until, offset) : time::nextDue(*schedule, after, offset);
    search->found = due.has_value();
    search->instant = due.value_or(0);
}

Search find(text* argument, int64_t after, const int64_t* until) {
    std::string_view written(VARDATA_ANY(argument), VARSIZE_ANY_EXHDR(argument));
    Search found;
    search(written, nullptr, after, until, &found);
    if (!found.isSchedule)
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("this is no schedule: %s", text_to_cstring(argument)),
                 errhint("For example: every day at 06:00 in Europe/Berlin.")));
    pg_tz* zone = pg_tzset(found.zone);
    if (zone == nullptr)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("there is no time zone %s", found.zone),
                        errhint("pg_timezone_names has those there are.")));
    search(written, zone, after, until, &found);
    return found;
}

}  // namespace

SPECQL_FUNCTION(specql_next_due) {
    if (TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(1))) PG_RETURN_NULL();
    const Search found = find(PG_GETARG_TEXT_PP(0), secondsOf(PG_GETARG_TIMESTAMPTZ(1)), nullptr);
    if (!found.found) PG_RETURN_NULL();
    PG_RETURN_TIMESTAMPTZ(timeOf(found.instant));
}

SPECQL_FUNCTION(specql_last_due) {
    const TimestampTz since = PG_GETARG_TIMESTAMPTZ(1), until = PG_GETARG_TIMESTAMPTZ(2);
    if (TIMESTAMP_NOT_FINITE(since) || TIMESTAMP_NOT_FINITE(until) || until <= since) PG_RETURN_NULL();
    const int64_t last = secondsOf(until);
    const Search found = find(PG_GETARG_TEXT_PP(0), secondsOf(since), &last);
    if (!found.found) PG_RETURN_NULL();
    PG_RETURN_TIMESTAMPTZ(timeOf(found.instant));
}

}  // namespace specql::schedules
