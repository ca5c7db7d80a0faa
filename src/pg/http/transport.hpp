// Many HTTP requests at once. Knows nothing of PostgreSQL, but that its signals must not reach other threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "delivery/verdict.hpp"

namespace specql::http {

struct HttpRequest {
    std::string url;
    std::string method;
    std::vector<std::string> headers;  // "Name: value"
    std::string body;                  // not sent with GET
    int64_t timeoutMs = 10000;         // from the send to the end of the answer
};

struct HttpResponse {
    delivery::CallResult result;
    std::string error;  // what went wrong; empty for 2xx
    std::string body;   // its beginning
};

struct HttpLimits {
    std::string allowedHosts;      // hosts whose private addresses may be called; see namesHost()
    std::string caFile;            // of authorities to trust instead of the system's; may be empty
    size_t bodyBytes = 64 * 1024;  // of an answer; the connection is closed at the next one
};

// Requests in flight belong to a key of the caller's. Nothing in it raises a PostgreSQL error or waits for ever;
// std::bad_alloc may be thrown.
class Transport {
public:
    virtual ~Transport() = default;

    virtual void start(uint64_t key, HttpRequest request) = 0;
    // Works on the requests in flight for at most `timeoutMs`, less if one ends before; hands over the ended ones.
    virtual std::vector<std::pair<uint64_t, HttpResponse>> wait(int timeoutMs) = 0;
    virtual size_t inFlight() const = 0;
    // For the requests from now on.
    virtual void setLimits(HttpLimits limits) = 0;
};

// By libcurl, which is initialised at the first call: never in a process that forks later.
std::unique_ptr<Transport> makeHttpTransport(HttpLimits limits);

}  // namespace specql::http
