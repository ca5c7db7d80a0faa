#include "pg/worker/access.hpp"

#include <algorithm>

#include "delivery/destination.hpp"
#include "delivery/token.hpp"
#include "pg/http/gzip.hpp"
#include "pg/worker/secrets.hpp"

namespace specql::worker {

namespace {

// What is shorter would hardly become smaller.
constexpr size_t leastToPack = 512;
// A token is a small matter: who needs longer for it is not well, whatever the calls may take.
constexpr int64_t longestTokenMs = 30000;

std::string* memberOf(Access& access, const std::string& name) {
    if (name == "user") return &access.user;
    if (name == "password") return &access.password;
    if (name == "token_url") return &access.tokenUrl;
    if (name == "client") return &access.client;
    if (name == "secret") return &access.clientSecret;
    if (name == "scope") return &access.scope;
    if (name == "certificate") return &access.certificate;
    if (name == "key") return &access.key;
    if (name == "ca") return &access.ca;
    return nullptr;
}

std::string addTls(const Access& access, http::HttpRequest& request) {
    if (!access.hasTls()) return {};
    std::string problem;
    auto tls = std::make_shared<http::Tls>();
    if (!access.certificate.empty()) {
        tls->certificate = findSecret(access.certificate, problem, SecretKind::publicFile);
        if (problem.empty()) tls->key = findSecret(access.key, problem);
    }
    if (problem.empty() && !access.ca.empty()) tls->ca = findSecret(access.ca, problem, SecretKind::publicFile);
    request.tls = std::move(tls);
    return problem;
}

}  // namespace

std::shared_ptr<const Access> readAccess(const char* const* texts, int count) {
    if (count < 2) return nullptr;
    auto access = std::make_shared<Access>();
    for (int i = 0; i + 1 < count; i += 2) {
        if (std::string* member = memberOf(*access, texts[i]))
            *member = texts[i + 1];
        else if (texts[i] == std::string("compress"))
            access->gzip = texts[i + 1] == std::string("gzip");
    }
    return access;
}

std::string prepareRequest(const Access& access, http::HttpRequest& request) {
    std::string problem = addTls(access, request);
    if (problem.empty() && !access.password.empty()) {
        std::string password = findLine(access.password, problem);
        request.headers.push_back("Authorization: " + delivery::basicCredentials(access.user, password));
    }
    if (problem.empty() && access.gzip && request.body.size() >= leastToPack) {
        request.body = http::gzip(request.body);
        request.headers.emplace_back("Content-Encoding: gzip");
    }
    return problem;
}

http::HttpRequest tokenRequest(const Access& access, int64_t timeoutMs, std::string& problem) {
    http::HttpRequest request;
    request.url = access.tokenUrl;
    request.method = "POST";
    request.timeoutMs = std::min(timeoutMs, longestTokenMs);
    std::string secret = findLine(access.clientSecret, problem);
    request.headers = {"Authorization: " + delivery::clientCredentials(access.client, secret),
                       "Content-Type: application/x-www-form-urlencoded", "Accept: application/json"};
    request.body = delivery::tokenRequestBody(access.scope);
    if (problem.empty()) problem = addTls(access, request);
    return request;
}

}  // namespace specql::worker
