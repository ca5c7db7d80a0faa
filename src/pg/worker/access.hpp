// What a service's calls show to be let in, and how they are packed: specql.access_of as the worker has it.
#pragma once

#include <memory>
#include <string>

#include "pg/http/transport.hpp"

namespace specql::worker {

struct Access {
    std::string user, password;                         // HTTP Basic
    std::string tokenUrl, client, clientSecret, scope;  // OAuth 2
    std::string certificate, key, ca;                   // TLS
    bool gzip = false;

    bool wantsToken() const { return !tokenUrl.empty(); }
    bool hasTls() const { return !certificate.empty() || !ca.empty(); }
};

// From names and values in turn; nullptr if there are none.
std::shared_ptr<const Access> readAccess(const char* const* texts, int count);

// Gives a request its credentials but a token, and its certificates. Returns what is wrong; empty if nothing is.
std::string prepareRequest(const Access& access, http::HttpRequest& request);

// The request for a token.
http::HttpRequest tokenRequest(const Access& access, int64_t timeoutMs, std::string& problem);

}  // namespace specql::worker
