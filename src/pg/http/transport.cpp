// The only file that knows libcurl.
//
// libcurl calls back from inside its own C code, and may run a thread that looks up names. So no callback here throws,
// allocates from PostgreSQL or raises its errors; and all signals are blocked around every call, because a thread that
// libcurl starts would otherwise receive signals that PostgreSQL's handlers expect in its only thread.
#include "pg/http/transport.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>
#include <csignal>
#include <cstring>
#include <ctime>
#include <map>
#include <new>
#include <utility>

#include <curl/curl.h>

#include "delivery/backoff.hpp"
#include "delivery/destination.hpp"

namespace specql::http {

namespace {

class BlockedSignals {
public:
    BlockedSignals() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    BlockedSignals(const BlockedSignals&) = delete;
    BlockedSignals& operator=(const BlockedSignals&) = delete;

private:
    sigset_t before_;
};

// One request in flight.
struct Call {
    uint64_t key = 0;
    CURL* handle = nullptr;
    curl_slist* headers = nullptr;
    HttpRequest request;
    std::string identity;  // certificate and key
    bool privateAllowed = false;
    bool refusedAddress = false;
    bool cut = false;  // the rest of the answer was dropped
    size_t bodyLimit = 0;
    size_t headerBytes = 0;
    std::string body;
    std::vector<std::pair<std::string, std::string>> answerHeaders;
    char message[CURL_ERROR_SIZE] = "";

    Call() = default;
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call() {
        if (handle != nullptr) curl_easy_cleanup(handle);
        curl_slist_free_all(headers);
    }
};

bool isPrivate(const sockaddr* address) {
    if (address->sa_family == AF_INET)
        return delivery::isPrivateAddress4(
            reinterpret_cast<const uint8_t*>(&reinterpret_cast<const sockaddr_in*>(address)->sin_addr));
    if (address->sa_family == AF_INET6)
        return delivery::isPrivateAddress6(
            reinterpret_cast<const uint8_t*>(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr));
    return true;
}

// Checks the address that is connected to, because the name may resolve to another one than before.
curl_socket_t openSocket(void* closure, curlsocktype, curl_sockaddr* address) {
    Call* call = static_cast<Call*>(closure);
    if (!call->privateAllowed && isPrivate(&address->addr)) {
        call->refusedAddress = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

size_t keepBody(char* data, size_t size, size_t count, void* closure) {
    Call* call = static_cast<Call*>(closure);
    size_t bytes = size * count;
    size_t room = call->bodyLimit - call->body.size();
    try {
        call->body.append(data, bytes < room ? bytes : room);
    } catch (...) {
        return 0;
    }
    if (bytes <= room) return bytes;
    call->cut = true;
    return 0;
}

constexpr size_t mostHeaderBytes = 64 * 1024;  // of an answer

std::string trimmed(const std::string& text) {
    size_t begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin);
}

// A line of the answer's head. Before the last answer others may have come, as 100 Continue.
void keepHeader(Call* call, const std::string& line) {
    if (line.compare(0, 5, "HTTP/") == 0) call->answerHeaders.clear();
    size_t colon = line.find(':');
    if (colon == std::string::npos || colon == 0) return;
    std::string name = line.substr(0, colon);
    for (char& c : name)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    call->answerHeaders.emplace_back(std::move(name), trimmed(line.substr(colon + 1)));
}

size_t countHeader(char* data, size_t size, size_t count, void* closure) {
    Call* call = static_cast<Call*>(closure);
    size_t bytes = size * count;
    call->headerBytes += bytes;
    if (call->headerBytes > mostHeaderBytes) return 0;
    if (!call->request.keepsHeaders) return bytes;
    try {
        keepHeader(call, std::string(data, bytes));
    } catch (...) {
        return 0;
    }
    return bytes;
}

bool isInitialised = false;

class CurlTransport final : public Transport {
public:
    explicit CurlTransport(HttpLimits limits) : limits_(std::move(limits)) {
        BlockedSignals blocked;
        if (!isInitialised && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) throw std::bad_alloc();
        isInitialised = true;
        openMulti();
    }

    ~CurlTransport() override {
        BlockedSignals blocked;
        for (auto& [handle, call] : calls_)
            curl_multi_remove_handle(multi_, handle);
        calls_.clear();
        curl_multi_cleanup(multi_);
    }

    size_t inFlight() const override { return calls_.size() + ended_.size(); }

    void setLimits(HttpLimits limits) override {
        // A connection that was opened under the old limits must not be used any more.
        if (limits.allowedHosts != limits_.allowedHosts || limits.caFile != limits_.caFile) reopen_ = true;
        limits_ = std::move(limits);
    }

    void start(uint64_t key, HttpRequest request) override {
        BlockedSignals blocked;
        if (reopen_ && calls_.empty()) {
            curl_multi_cleanup(multi_);
            openMulti();
            reopen_ = false;
        }
        auto call = std::make_unique<Call>();
        call->key = key;
        call->request = std::move(request);
        call->bodyLimit = std::max(limits_.bodyBytes, call->request.answerBytes);
        std::string problem = prepare(*call);
        if (!problem.empty()) {
            HttpResponse response;
            response.result.ending = delivery::Ending::forbidden;
            response.error = problem;
            ended_.emplace_back(key, std::move(response));
            return;
        }
        CURL* handle = call->handle;
        calls_.emplace(handle, std::move(call));
        curl_multi_add_handle(multi_, handle);
        int running;
        curl_multi_perform(multi_, &running);
    }

    std::vector<std::pair<uint64_t, HttpResponse>> wait(int timeoutMs) override {
        BlockedSignals blocked;
        collect();
        if (ended_.empty() && !calls_.empty()) {
            int running;
            curl_multi_poll(multi_, nullptr, 0, timeoutMs, nullptr);
            curl_multi_perform(multi_, &running);
            collect();
        }
        return std::exchange(ended_, {});
    }

private:
    void openMulti() {
        multi_ = curl_multi_init();
        if (multi_ == nullptr) throw std::bad_alloc();
        curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, 256L);
    }

    // What is wrong with the request, or nothing.
    std::string prepare(Call& call) {
        const HttpRequest& request = call.request;
        delivery::Url url;
        std::string problem = delivery::parseUrl(request.url, url);
        if (!problem.empty()) return "the url cannot be called: " + problem;
        if (!delivery::isHeaderName(request.method)) return "the method cannot be sent";
        for (const std::string& header : request.headers)
            if (!delivery::isHeaderValue(header) || !delivery::isHeaderName(header.substr(0, header.find(':'))))
                return "a header holds a line end or another character that cannot be sent";
        call.privateAllowed = delivery::namesHost(limits_.allowedHosts, url.host, url.port);

        call.handle = curl_easy_init();
        if (call.handle == nullptr) throw std::bad_alloc();
        for (const std::string& header : request.headers)
            call.headers = append(call.headers, header.c_str());
        call.headers = append(call.headers, "Expect:");
        CURL* handle = call.handle;
        curl_easy_setopt(handle, CURLOPT_URL, request.url.c_str());
        curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
        // A proxy of the environment is not used: the address checks would only see the proxy.
        curl_easy_setopt(handle, CURLOPT_PROXY, "");
        curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
#if LIBCURL_VERSION_NUM >= 0x075500
        curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
#else
        curl_easy_setopt(handle, CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
        curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 1L);
        curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 2L);
        setAuthorities(handle, request);
        if (request.tls && !request.tls->certificate.empty()) {
            // libcurl takes up a connection again that was made with the same certificate, whatever the key: so the key
            // stands behind the certificate, where it is compared, and is passed over when the certificate is read.
            call.identity = request.tls->certificate + "\n" + request.tls->key;
            setBlob(handle, CURLOPT_SSLCERT_BLOB, call.identity);
            setBlob(handle, CURLOPT_SSLKEY_BLOB, request.tls->key);
        }
        curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeoutMs));
        curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.timeoutMs));
        curl_easy_setopt(handle, CURLOPT_HTTPHEADER, call.headers);
        curl_easy_setopt(handle, CURLOPT_USERAGENT, "specql/" SPECQL_VERSION);
        // Whatever libcurl can decode; keepBody() counts what has been decoded.
        curl_easy_setopt(handle, CURLOPT_ACCEPT_ENCODING, "");
        if (!request.hasBody && (request.method == "GET" || request.method == "DELETE")) {
            curl_easy_setopt(handle, CURLOPT_HTTPGET, 1L);
            curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
        } else {
            // Where a body is usual, one without bytes has a Content-Length of 0; libcurl must not name its type.
            if (!request.hasBody) call.headers = append(call.headers, "Content-Type:");
            curl_easy_setopt(handle, CURLOPT_POST, 1L);
            curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request.body.c_str());
            curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
            curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
        }
        curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, keepBody);
        curl_easy_setopt(handle, CURLOPT_WRITEDATA, &call);
        curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, countHeader);
        curl_easy_setopt(handle, CURLOPT_HEADERDATA, &call);
        curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, openSocket);
        curl_easy_setopt(handle, CURLOPT_OPENSOCKETDATA, &call);
        curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, call.message);
        if (reopen_) curl_easy_setopt(handle, CURLOPT_FRESH_CONNECT, 1L);
        return {};
    }

    // libcurl looks into a directory of the system's authorities, too, unless it is told not to.
    void setAuthorities(CURL* handle, const HttpRequest& request) const {
        bool hasOwn = request.tls && !request.tls->ca.empty();
        if (hasOwn)
            setBlob(handle, CURLOPT_CAINFO_BLOB, request.tls->ca);
        else if (!limits_.caFile.empty())
            curl_easy_setopt(handle, CURLOPT_CAINFO, limits_.caFile.c_str());
        if (hasOwn || !limits_.caFile.empty()) curl_easy_setopt(handle, CURLOPT_CAPATH, nullptr);
    }

    // libcurl does not copy it: the call lives as long as the handle.
    static void setBlob(CURL* handle, CURLoption option, const std::string& bytes) {
        curl_blob blob = {const_cast<char*>(bytes.data()), bytes.size(), CURL_BLOB_NOCOPY};
        curl_easy_setopt(handle, option, &blob);
    }

    static curl_slist* append(curl_slist* list, const char* header) {
        curl_slist* longer = curl_slist_append(list, header);
        if (longer == nullptr) throw std::bad_alloc();
        return longer;
    }

    void collect() {
        int left;
        while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
            if (message->msg != CURLMSG_DONE) continue;
            CURLcode code = message->data.result;
            auto found = calls_.find(message->easy_handle);
            ended_.emplace_back(found->second->key, responseOf(*found->second, code));
            curl_multi_remove_handle(multi_, found->first);
            ended_.back().second.request = std::move(found->second->request);
            calls_.erase(found);
        }
    }

    static HttpResponse responseOf(Call& call, CURLcode code) {
        HttpResponse response;
        long status = 0;
        curl_easy_getinfo(call.handle, CURLINFO_RESPONSE_CODE, &status);
        response.result.status = static_cast<int>(status);
        response.body = std::move(call.body);
        response.cut = call.cut;
        response.headers = std::move(call.answerHeaders);
        // An answer that was cut off because of its length is an answer too, and so is one that cannot be decoded.
        if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && call.cut) || code == CURLE_BAD_CONTENT_ENCODING) {
            response.result.ending = delivery::Ending::answered;
            if (status < 200 || status > 299)
                response.error =
                    "HTTP " + std::to_string(status) + (status >= 300 && status < 400 ? ", which is not followed" : "");
        } else if (call.refusedAddress) {
            response.result.ending = delivery::Ending::forbidden;
            response.error = "the address of this host is private; specql.allowed_hosts does not name it";
        } else {
            response.result.ending = delivery::Ending::unreachable;
            if (call.headerBytes > mostHeaderBytes)
                response.error = "the headers of the answer are too long";
            else
                response.error = call.message[0] != '\0' ? call.message : curl_easy_strerror(code);
        }
#if LIBCURL_VERSION_NUM >= 0x075300
        curl_header* retryAfter = nullptr;
        if (curl_easy_header(call.handle, "Retry-After", 0, CURLH_HEADER, -1, &retryAfter) == CURLHE_OK)
            response.result.retryAfterSeconds = delivery::retryAfterSeconds(retryAfter->value, time(nullptr));
#else
        curl_off_t seconds = 0;
        if (curl_easy_getinfo(call.handle, CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK && seconds > 0)
            response.result.retryAfterSeconds = std::min<int64_t>(seconds, 24 * 3600);
#endif
        return response;
    }

    HttpLimits limits_;
    CURLM* multi_ = nullptr;
    bool reopen_ = false;
    std::map<CURL*, std::unique_ptr<Call>> calls_;
    std::vector<std::pair<uint64_t, HttpResponse>> ended_;
};

}  // namespace

std::unique_ptr<Transport> makeHttpTransport(HttpLimits limits) {
    return std::make_unique<CurlTransport>(std::move(limits));
}

}  // namespace specql::http
