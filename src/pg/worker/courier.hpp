// Carries calls from the outbox to their services and the results back. Used by the worker, between transactions, and
// by specql.drain, inside of one.
//
//   in a transaction:  record(); sendNotifications(); claim()     → claims as plain data, in a memory context
//   outside of SPI:    accept(claims); carry()                    → C++ and libcurl, no server but for the HMAC
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pg/base/background_worker.hpp"
#include "pg/http/transport.hpp"

namespace specql::worker {

// A row of specql.claim_calls(): plain data in a memory context.
struct Claim {
    pg_uuid_t id;
    const char* idText;
    const char* service;
    const char* url;
    const char* method;
    const char** headers;
    int headerCount;
    const char* body;
    int timeoutMs;
    int attempt;
    int maxAttempts;
    int64_t backoffMs;
    int* retryOn;
    int retryOnCount;
    const char** secrets;
    int secretCount;
    int failures;
    int pauses;
    TimestampTz dueAt;
};

struct Claims {
    Claim* items;
    int count;
};

class Courier {
public:
    // `place`: of the worker, by which its leases are known; 0 in a session that drains, which takes what was due when
    // it began: what it tries again, or repeats, would keep it for ever.
    explicit Courier(int place, TimestampTz dueBy = DT_NOEND);

    // ---- with SPI connected; errors of the server pass, and leave the courier as it was -----------------------------
    // What one call, service or notification is the cause of, fails alone; what passes would fail for all.

    // Writes down what became of calls. Call recorded() when that is committed.
    void record() const;
    // How many were sent; at most `limit`.
    int sendNotifications(int limit) const;
    // Calls to make, in the current memory context; at most `limit`, and no more than there is room for.
    Claims claim(int limit) const;

    // ---- without; throws bad_alloc --------------------------------------------------------------------------------

    // Forgets the results that record() wrote.
    void recorded();
    // True if there were none, but none were looked for before what was claimed last: there may be calls whose
    // transactions committed late, which the next claim finds.
    bool accept(const Claims& claims);
    // Starts what fits, and waits up to `timeoutMs` for something to end.
    void carry(int timeoutMs);
    // Gives up what has not been started, and what is under way: their leases are returned.
    void abandon();
    // Takes changed settings over.
    void reconfigure();

    size_t results() const { return outcomes_.size(); }
    // Accepted, and without a result.
    size_t underWay() const { return waiting_.size() + carried_.size(); }
    // How many more calls may be claimed.
    int room() const;

private:
    struct Call {
        pg_uuid_t id;
        std::string idText, service;
        http::HttpRequest request;
        delivery::CallPolicy policy;
        std::vector<std::string> secrets;
        size_t bytes = 0;  // of its body
        bool probing = false;
    };
    struct Place {
        TimestampTz dueAt;
        pg_uuid_t id;
    };
    struct Outcome {
        pg_uuid_t id;
        const char* verdict;  // a literal
        int64_t delayMs;
        std::string error, response;
        int status;
    };
    struct Service {
        delivery::Breaker breaker;
        int busy = 0;  // calls accepted and without a result
        bool changed = false;
        int64_t pauseMs = 0;
        std::string error, disabled;
    };

    struct Memory {
        size_t left;   // for small bodies
        size_t large;  // what is longer is not small
        bool roomForLarge;
    };

    Memory memory() const;
    void startOne();
    void end(const Call& call, const http::HttpResponse& response);
    std::string sign(Call& call) const;
    void recordOutcomes(size_t first, size_t count) const;
    void recordServices() const;
    Claims claimOf(const char* service, int limit) const;
    Claims claimByService(int limit) const;

    int place_;
    TimestampTz dueBy_;
    std::unique_ptr<http::Transport> transport_;
    std::deque<Call> waiting_;
    std::map<uint64_t, Call> carried_;
    std::map<std::string, Service> services_;
    std::vector<Outcome> outcomes_;
    // Up to where each service has been claimed, so that a claim need not pass what has left already; forgotten every
    // second, because transactions do not commit in the order of their calls.
    std::map<std::string, Place> reached_;
    TimestampTz forgetAt_ = 0;
    uint64_t nextKey_ = 1;
};

}  // namespace specql::worker
