// What becomes of a call after its answer, and of its service.
#pragma once

#include <cstdint>
#include <vector>

namespace specql::delivery {

// How a call ended.
enum class Ending {
    answered,     // status is what the receiver said
    unreachable,  // refused, reset, timed out, TLS failed, no such host: may be better later
    forbidden,    // to an address that may not be called, or not a request at all: will be the same later
};

struct CallResult {
    Ending ending = Ending::unreachable;
    int status = 0;
    int64_t retryAfterSeconds = -1;  // -1: the receiver did not say
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
    bool disables = false;         // the receiver does not want calls any more (410); this one waits with the others
    bool countsAsFailure = false;  // for the circuit breaker: the service is unwell, not the call wrong
};

// 2xx is done. 410 disables the service. 408, 429, 5xx and no answer are tried again while attempts are left, not
// before Retry-After; other answers are final unless `retryOn` lists them. `chance` is from [0, 1).
Decision decide(const CallResult& result, const CallPolicy& policy, double chance);

// A circuit breaker. After `failuresToOpen` failures in a row the service is left alone for a while, then one call at a
// time finds out whether it is well again; each time it is not, the while doubles.
struct Breaker {
    static constexpr int failuresToOpen = 5;
    static constexpr int64_t firstPauseMs = 1000;
    static constexpr int64_t longestPauseMs = 5 * 60 * 1000;

    int failures = 0;  // in a row
    int pauses = 0;    // in a row

    void succeed();
    // Milliseconds to leave the service alone; 0 if it stays as it is. Calls that were on their way when it opened
    // (`probing` is false) do not open it further.
    int64_t fail(bool probing);
};

}  // namespace specql::delivery
