// Delivers: claims calls of the outbox, performs them, and records their results. A worker uses it between
// transactions, specql.drain() inside of one.
//
//   in a transaction:  record(); sendNotifications(); claim()     → claims as plain data, in a memory context
//   outside of SPI:    accept(claims); perform()                  → C++ and libcurl; of the server only the HMAC
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "delivery/batch.hpp"
#include "pg/base/background_worker.hpp"
#include "pg/base/standby.hpp"
#include "pg/http/transport.hpp"
#include "pg/worker/access.hpp"
#include "pg/worker/tokens.hpp"

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
    const char* body;  // nullptr: none is sent
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
    const char** access;  // names and values in turn, as specql.access_of has them
    int accessCount;
    bool heard;        // somebody listens to its answer
    int64_t answerMs;  // after a 202 the answer itself comes later, within this time; -1 if it does not
    int batch;         // calls of a service with the same number leave in one request; 0: by itself
};

struct Claims {
    Claim* items;
    int count;
};

class Courier {
public:
    static constexpr int mostCallsAtOnce = 10000;  // that are claimed, in batches

    // `workerNumber` is stored in the leases; 0 stands for a session that drains. Only deliveries that are due at
    // `dueBy` are claimed: a session that drains must not go on for ever with those that it retries or repeats itself.
    explicit Courier(int workerNumber, TimestampTz dueBy = DT_NOEND);

    // ---- with SPI connected; errors of the server leave the courier unchanged
    // ----------------------------------------- An error that one call, service or notification causes is caught,
    // raised as a warning, and only affects that one.

    // Stores the results of calls. After the commit recorded() must be called.
    void record() const;
    // Sends up to `limit` notifications; returns how many. None while it waits for a standby.
    int sendNotifications(int limit) const;
    // Claims up to `mostCalls` calls for up to `limit` requests, and no more than room(); in the current memory
    // context. None while it waits for a standby: leases would end meanwhile.
    Claims claim(int limit, int mostCalls) const;

    // ---- without SPI; may throw bad_alloc ---------------------------------------------------------------------------

    // Drops the results that record() has stored.
    void recorded();
    // Takes over the claims, which leave once isSafe(`position`).
    void accept(const Claims& claims, XLogRecPtr position);
    // Starts as many calls as may be in flight, and waits up to `timeoutMs` for one to end.
    void perform(int timeoutMs);
    // Puts back the calls that have not been started, as if they had not been claimed.
    void putBack(const char* reason);
    // Gives all unfinished calls up; their result is to be retried at once.
    void abandonCalls();
    // Nothing may be claimed or sent, because what was claimed last is not safe yet.
    bool waitsForStandby() const { return !isSafe(position_); }
    // Reads the settings again.
    void reconfigure();

    size_t results() const { return outcomes_.size(); }
    // Requests that were accepted and have no result yet.
    size_t unfinished() const { return waiting_.size() + inFlight_.size(); }
    // How many more requests may be claimed.
    int room() const;

private:
    struct Item {
        pg_uuid_t id;
        std::string idText;
        int attempt;
        bool heard;  // somebody listens to its answer
    };
    // A request, of one call or of a batch of them.
    struct Call {
        std::vector<Item> items;
        bool isBatch = false;
        std::string idText, service;
        http::HttpRequest request;
        delivery::CallPolicy policy;  // whose attempt is the greatest of its items
        std::vector<std::string> secrets;
        size_t bytes = 0;  // of its body
        bool probing = false;
        std::shared_ptr<const Access> access;  // null where none is wanted
        uint64_t token = 0;                    // its number, of the one that was shown; 0: none
        bool hasRefreshed = false;
        bool isLimited = false;    // by the limits of its service
        int64_t countedSince = 0;  // by them
        int64_t answerMs = -1;
    };
    struct Outcome {
        pg_uuid_t id;
        const char* verdict;  // a literal
        int64_t delayMs;
        std::string error, response;
        int status;
        std::string headers = {};  // a JSON object, if somebody listens to the answer
        bool cut = false;          // the response is only the beginning
    };
    struct Service {
        delivery::Breaker breaker;
        int busy = 0;              // requests accepted and without a result
        int recordedFailures = 0;  // in a row, as the row of specql.service has it
        bool changed = false;      // and is to be recorded
        int64_t pauseMs = 0;
        std::string error, disabled;
    };

    struct Memory {
        size_t left;   // for small bodies
        size_t large;  // what is longer is not small
        bool roomForLarge;
    };

    Memory memory() const;
    void acceptCall(const Claim* claims, int count);
    // A row that is written with each failure has thousands of dead versions when an old snapshot keeps them, and each
    // claim reads it. A worker remembers failures itself until they open the breaker; a session that drains cannot.
    bool recordsEveryFailure() const { return workerNumber_ == 0; }
    void startOne();
    void leave(uint64_t key, Call& call);
    void send(uint64_t key, Call& call);
    void askForToken(const std::string& name, const Call& call);
    void endWaiting(const std::string& name, const Tokens::Answer& answer);
    bool isSentAgain(uint64_t key, Call& call, http::HttpResponse& response);
    void take(uint64_t key, http::HttpResponse& response);
    void startSome();
    void putBackOne(const Call& call, const char* reason);
    void end(const Call& call, http::HttpResponse& response);
    void addOutcome(const Call& call, const Item& item, const http::HttpResponse& response,
                    const delivery::Decision& decision);
    void addOutcomes(const Call& call, const http::HttpResponse& response);
    void addOutcomesOfBatch(const Call& call, http::HttpResponse& response);
    // What keeps a call from leaving; no reason if nothing does.
    struct Hindrance {
        std::string reason;
        bool final = false;  // it would be the same the next time
    };

    Hindrance sign(Call& call) const;
    void recordOutcomes(size_t first, size_t count) const;
    void recordServices() const;
    Claims claimOf(const char* service, int limit, int mostCalls) const;
    Claims claimByService(int limit, int mostCalls) const;

    int workerNumber_;
    TimestampTz dueBy_;
    // "<system identifier>/<timeline>", by which a receiver tells a promoted server from the one before it.
    std::string timeline_;
    // What leaves must not be forgotten by a server that takes over: up to here the standbys must have this one's WAL.
    // Claims are behind the transactions that queued what they claim.
    XLogRecPtr position_;
    std::unique_ptr<http::Transport> transport_;
    std::deque<Call> waiting_;
    std::map<uint64_t, Call> inFlight_;
    std::map<std::string, Service> services_;
    std::vector<Outcome> outcomes_;
    Tokens tokens_;
    uint64_t nextKey_ = 1;
};

}  // namespace specql::worker
