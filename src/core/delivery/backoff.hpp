// When to try again. Pure arithmetic: time and chance are arguments.
#pragma once

#include <cstdint>
#include <string_view>

namespace specql::delivery {

constexpr int64_t longestBackoffMs = 3600 * 1000;

// The delay in milliseconds, with full jitter: any time up to baseMs * 2^(attempt - 1), at most an hour, so that calls
// that failed at the same time are not retried at the same time. `attempt` counts from 1; `chance` is from [0, 1).
int64_t backoffMs(int64_t baseMs, int attempt, double chance);

// The value of a Retry-After header as seconds from `now` (Unix time): a number of seconds, or an HTTP date
// ("Fri, 31 Dec 1999 23:59:59 GMT"). -1 if it is neither; never more than a day, never less than 0.
int64_t retryAfterSeconds(std::string_view value, int64_t now);

}  // namespace specql::delivery
