#include "delivery/verdict.hpp"

#include <algorithm>

#include "delivery/backoff.hpp"

namespace specql::delivery {

Decision decide(const CallResult& result, const CallPolicy& policy, double chance) {
    Decision decision;
    int status = result.ending == Ending::answered ? result.status : 0;
    if (status >= 200 && status <= 299) {
        decision.verdict = Verdict::done;
        return decision;
    }
    if (status == 410) {
        decision.verdict = Verdict::retry;
        decision.disables = true;
        return decision;
    }
    bool unwell = result.ending == Ending::unreachable || status >= 500 || status == 408 || status == 429;
    bool listed = std::find(policy.retryOn.begin(), policy.retryOn.end(), status) != policy.retryOn.end();
    decision.countsAsFailure = unwell;
    bool again = result.ending != Ending::forbidden && (unwell || listed);
    if (!again || policy.attempt >= policy.maxAttempts) {
        return decision;
    }
    decision.verdict = Verdict::retry;
    decision.delayMs = backoffMs(policy.backoffMs, policy.attempt, chance);
    decision.delayMs = std::max(decision.delayMs, result.retryAfterSeconds * 1000);
    return decision;
}

void Breaker::succeed() {
    failures = 0;
    pauses = 0;
}

int64_t Breaker::fail(bool probing) {
    ++failures;
    bool opens = failures == failuresToOpen || (failures > failuresToOpen && probing);
    if (!opens) {
        return 0;
    }
    int64_t pause = std::min(firstPauseMs << std::min(pauses, 20), longestPauseMs);
    ++pauses;
    return pause;
}

}  // namespace specql::delivery
