// Performs many HTTP requests at once. It does not use PostgreSQL.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "delivery/verdict.hpp"

namespace specql::http {

// In PEM. What is empty is not given; `ca` are the authorities to trust instead of all others.
struct Tls {
    std::string certificate, key, ca;
};

struct HttpRequest {
    std::string url;
    std::string method;
    std::vector<std::string> headers;  // "Name: value"
    bool hasBody = true;
    std::string body;
    int64_t timeoutMs = 10000;       // from the send to the end of the answer
    std::shared_ptr<const Tls> tls;  // may be null
    bool keepsHeaders = false;       // those of the answer are wanted
    size_t answerBytes = 0;          // more of the answer may be kept than HttpLimits::bodyBytes, if it is more
};

struct HttpResponse {
    delivery::CallResult result;
    std::string error;                                         // what went wrong; empty for 2xx
    std::string body;                                          // the beginning, see HttpLimits::bodyBytes
    bool cut = false;                                          // there was more
    std::vector<std::pair<std::string, std::string>> headers;  // names in lower case; only if they are wanted
    HttpRequest request;                                       // that was answered, if it was sent
};

struct HttpLimits {
    std::string allowedHosts;      // hosts whose private addresses may be called; see namesHost()
    std::string caFile;            // of authorities to trust instead of the system's; may be empty
    size_t bodyBytes = 64 * 1024;  // of an answer; if it is longer, the connection is closed
};

// Each request has a key that the caller chooses. Functions may throw std::bad_alloc; they raise no PostgreSQL error.
class Transport {
public:
    virtual ~Transport() = default;

    // Starts a request. One that must not be sent ends at once, with the reason as its response.
    virtual void start(uint64_t key, HttpRequest request) = 0;
    // Works on the requests for at most `timeoutMs`, or until one ends. Returns those that have ended.
    virtual std::vector<std::pair<uint64_t, HttpResponse>> wait(int timeoutMs) = 0;
    // Requests that were started and not yet returned by wait().
    virtual size_t inFlight() const = 0;
    // For requests that start from now on.
    virtual void setLimits(HttpLimits limits) = 0;
};

// A transport by libcurl, which is initialised at the first call, so never in the postmaster.
std::unique_ptr<Transport> makeHttpTransport(HttpLimits limits);

}  // namespace specql::http
