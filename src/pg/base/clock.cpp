#include "pg/base/clock.hpp"

#include "pg/bridge/entry.hpp"

namespace specql {

TimestampTz timeAfter(TimestampTz now, const Interval* after, const char* function) {
    double days = 30.0 * after->month + after->day;
    double seconds = days * 24 * 3600 + static_cast<double>(after->time) / USECS_PER_SEC;
    if (seconds < 0 || seconds > longestWait)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("%s: the time must be from 0 to 366 days", function)));
    return DatumGetTimestampTz(
        DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now), IntervalPGetDatum(after)));
}

SPECQL_FUNCTION(specql_clock) {
    PG_RETURN_TIMESTAMPTZ(engineTime());
}

}  // namespace specql
