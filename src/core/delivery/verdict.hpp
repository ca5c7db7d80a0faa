// Decides after an answer whether a call is done, retried or dead, and whether its service is paused.
#pragma once

#include <cstdint>
#include <vector>

namespace specql::delivery {

// How a call ended.
enum class Ending {
    answered,     // status is what the receiver said
    unreachable,  // refused, reset, timed out, TLS failed, no such host: a retry may succeed
    forbidden,    // an address that may not be called, or an invalid request: a retry would fail too
};

struct CallResult {
    Ending ending = Ending::unreachable;
    int status = 0;
    int64_t retryAfterSeconds = -1;  // from the answer; -1 if it has no Retry-After
};

struct CallPolicy {
    int attempt = 1;  // the one that ended, from 1
    int maxAttempts = 1;
    int64_t backoffMs = 1000;
    std::vector<int> retryOn;  // 4xx answers that are tried again
};

enum class Verdict { done, retry, dead };

struct Decision {
    Verdict verdict = Verdict::dead;
    int64_t delayMs = 0;           // before the retry
    bool disables = false;         // disable the service (410 Gone); this call waits until it is enabled again
    bool countsAsFailure = false;  // counts for the circuit breaker: the service failed, and not only this call
};

// 2xx is done. 410 disables the service. 408, 429, 5xx and no answer are tried again while attempts are left, not
// before Retry-After; other answers are final unless `retryOn` lists them. `chance` is from [0, 1).
Decision decide(const CallResult& result, const CallPolicy& policy, double chance);

// A circuit breaker. After `failuresToOpen` failures in a row the service is paused; then one call at a time probes it.
// Each probe that fails doubles the pause.
struct Breaker {
    static constexpr int failuresToOpen = 5;
    static constexpr int64_t firstPauseMs = 1000;
    static constexpr int64_t longestPauseMs = 5 * 60 * 1000;

    int failures = 0;  // in a row
    int pauses = 0;    // in a row

    void succeed();
    // Returns for how many milliseconds the service must be paused; 0 if nothing changes. Calls that were in flight
    // when the breaker opened (`probing` is false) do not prolong the pause.
    int64_t fail(bool probing);
};

}  // namespace specql::delivery
