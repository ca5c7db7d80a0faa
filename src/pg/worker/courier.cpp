#include "pg/worker/courier.hpp"

#include <algorithm>
#include <ctime>

#include "delivery/destination.hpp"
#include "delivery/signature.hpp"
#include "pg/base/worker_settings.hpp"
#include "pg/outbox/limits.hpp"
#include "pg/worker/hmac.hpp"
#include "pg/worker/secrets.hpp"
#include "text/quote.hpp"

namespace specql::worker {

namespace {

constexpr size_t keptResponse = 2000;  // bytes of an answer that are recorded
constexpr int acceptedStatus = 202;
constexpr int standbyMs = 2;  // between two looks whether a standby has what was claimed

// All answers together take no more than a quarter of specql.worker_memory.
size_t answerShare() {
    return static_cast<size_t>(settings::workerMemory) * 1024 / 4 / static_cast<size_t>(settings::maxConcurrency);
}

size_t mostOfAnswer() {
    return static_cast<size_t>(settings::maxAnswerSize) * 1024;
}

http::HttpLimits currentLimits() {
    http::HttpLimits limits;
    limits.allowedHosts = settings::allowedHosts != nullptr ? settings::allowedHosts : "";
    limits.caFile = settings::caFile != nullptr ? settings::caFile : "";
    limits.bodyBytes = std::clamp(answerShare(), keptResponse, mostOfAnswer());
    return limits;
}

size_t smallCallsMemory() {
    return static_cast<size_t>(settings::workerMemory) * 1024 / 2;
}

// specql.filled_url and specql.filled_header write why a call cannot be made behind this, in place of their texts.
const std::string refusedMark = "\1refused:";

// Why a url or a header could not be made; empty if it was.
std::string refusalIn(const std::string& text) {
    size_t mark = text.find(refusedMark.front());
    bool refused = mark != std::string::npos && text.compare(mark, refusedMark.size(), refusedMark) == 0;
    return refused ? text.substr(mark + refusedMark.size()) : std::string();
}

// One that comes several times has its values joined, as the standard has it.
std::string jsonOf(const std::vector<std::pair<std::string, std::string>>& headers) {
    std::map<std::string, std::string> values;
    for (auto [name, value] : headers) {
        // JSON has no place for it.
        std::replace(value.begin(), value.end(), '\0', '?');
        auto [found, isNew] = values.emplace(name, value);
        if (!isNew) found->second += ", " + value;
    }
    std::string json = "{";
    for (const auto& [name, value] : values)
        json += (json.size() > 1 ? ", " : "") + quoteJson(name) + ": " + quoteJson(value);
    return json + "}";
}

// Two requests with the same calls have the same id, and others have another one: who takes the second of an id for a
// repetition misses nothing.
std::string idOfBatch(const std::string& ids) {
    static const char* const digits = "0123456789abcdef";
    std::string hash = hmacSha256("specql batch", ids), text;
    hash[6] = static_cast<char>((hash[6] & 0x0f) | 0x80);
    hash[8] = static_cast<char>((hash[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < UUID_LEN; ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
        auto byte = static_cast<unsigned char>(hash[i]);
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

bool isSameBatch(const Claim& one, const Claim& other) {
    return one.batch > 0 && one.batch == other.batch && strcmp(one.service, other.service) == 0;
}

// Replaces the name of a secret in a header, before which specql.header_line has written \1, by the secret. Returns
// what is wrong; empty if nothing is.
std::string insertSecret(std::string& header) {
    size_t marker = header.find('\1');
    if (marker == std::string::npos) return {};
    // A header may hold \1 by itself; only these two prefixes are written by specql.header_line.
    bool marked = header.compare(marker + 1, 4, "key:") == 0 || header.compare(marker + 1, 8, "missing:") == 0;
    if (!marked) return "a header holds a control character";
    std::string problem, secret = findLine(header.substr(marker + 1), problem);
    if (problem.empty() && !delivery::isHeaderValue(secret)) problem = "a secret in a header holds a control character";
    header.replace(marker, std::string::npos, secret);
    return problem;
}

}  // namespace

Courier::Courier(int workerNumber, TimestampTz dueBy)
    : workerNumber_(workerNumber),
      dueBy_(dueBy),
      timeline_(std::to_string(GetSystemIdentifier()) + "/" + std::to_string(compat::ownTimeline())),
      position_(workerNumber > 0 ? ownPosition() : InvalidXLogRecPtr),
      transport_(http::makeHttpTransport(currentLimits())) {}

void Courier::reconfigure() {
    transport_->setLimits(currentLimits());
}

// Twice as many calls are claimed as can be in flight, so that the transport need not wait for the next commit.
int Courier::room() const {
    int most = settings::maxConcurrency * 2;
    int taken = static_cast<int>(unfinished());
    return taken < most ? most - taken : 0;
}

// Half of specql.worker_memory is for small calls together, the other half for one larger call at a time.
Courier::Memory Courier::memory() const {
    size_t half = smallCallsMemory(), used = 0;
    Memory memory = {half, half, true};
    auto add = [half, &used, &memory](const Call& call) {
        if (call.bytes > half)
            memory.roomForLarge = false;
        else
            used += call.bytes;
    };
    for (const Call& call : waiting_)
        add(call);
    for (const auto& entry : inFlight_)
        add(entry.second);
    memory.left = used < half ? half - used : 0;
    return memory;
}

void Courier::accept(const Claims& claims, XLogRecPtr position) {
    if (claims.count > 0) position_ = position;
    for (int first = 0, end; first < claims.count; first = end) {
        for (end = first + 1; end < claims.count && isSameBatch(claims.items[first], claims.items[end]); ++end) {
        }
        acceptCall(claims.items + first, end - first);
    }
    outbox::forgetClaimed();
}

// What is asked in one request differs in ids, attempts and bodies only.
void Courier::acceptCall(const Claim* claims, int count) {
    const Claim& claim = claims[0];
    Call call;
    call.isBatch = claim.batch > 0;
    call.service = claim.service;
    call.request.url = claim.url;
    call.request.method = claim.method;
    call.request.headers.assign(claim.headers, claim.headers + claim.headerCount);
    call.request.hasBody = claim.body != nullptr;
    call.request.timeoutMs = claim.timeoutMs;
    call.policy.maxAttempts = claim.maxAttempts;
    call.policy.backoffMs = claim.backoffMs;
    call.policy.retryOn.assign(claim.retryOn, claim.retryOn + claim.retryOnCount);
    call.secrets.assign(claim.secrets, claim.secrets + claim.secretCount);
    call.access = readAccess(claim.access, claim.accessCount);
    call.answerMs = claim.answerMs;
    call.probing = claim.failures >= delivery::Breaker::failuresToOpen;
    std::string& body = call.request.body;
    for (int i = 0; i < count; ++i) {
        const Claim& item = claims[i];
        call.items.push_back({item.id, item.idText, item.attempt, item.heard});
        call.policy.attempt = std::max(call.policy.attempt, item.attempt);
        call.request.keepsHeaders = call.request.keepsHeaders || item.heard;
        if (item.body == nullptr) continue;
        if (call.isBatch) body += i == 0 ? "[" : ", ";
        body += item.body;
        pfree(const_cast<char*>(item.body));  // freed at once, because copies of all bodies would double the memory
    }
    if (call.isBatch) {
        body += "]";
        call.request.answerBytes = std::min(answerShare(), call.items.size() * mostOfAnswer());
    } else {
        call.idText = claim.idText;
    }
    call.bytes = body.size();
    Service& service = services_[call.service];
    // Somebody else has recorded something: another worker, or specql.resume_service.
    if (service.busy == 0 && !service.changed && service.recordedFailures != claim.failures) {
        service.breaker = {claim.failures, claim.pauses};
        service.recordedFailures = claim.failures;
    }
    ++service.busy;
    call.isLimited = outbox::isClaimLimited(call.service, &call.countedSince);
    waiting_.push_back(std::move(call));
}

// Adds the id and the signature, and fills in secrets.
Courier::Hindrance Courier::sign(Call& call) const {
    std::string refusal = refusalIn(call.request.url);
    for (std::string& header : call.request.headers) {
        if (refusal.empty()) refusal = refusalIn(header);
        if (!refusal.empty()) break;
        std::string missing = insertSecret(header);
        if (!missing.empty()) return {missing};
    }
    if (!refusal.empty()) return {"the call cannot be made: " + refusal, true};
    if (call.isBatch) {
        std::string ids;
        for (const Item& item : call.items)
            ids += item.idText;
        call.idText = idOfBatch(ids);
    }
    int64_t now = time(nullptr);
    call.request.headers.push_back("webhook-id: " + call.idText);
    call.request.headers.push_back("webhook-timestamp: " + std::to_string(now));
    call.request.headers.push_back("webhook-attempt: " + std::to_string(call.policy.attempt));
    call.request.headers.push_back("specql-timeline: " + timeline_);
    if (call.secrets.empty()) return {};
    std::string text = delivery::stringToSign(call.idText, now, call.request.body);
    std::vector<std::string> hmacs;
    std::string problem, lastProblem;
    for (const std::string& secret : call.secrets) {
        problem.clear();
        std::string key = findSecret(secret, problem);
        if (problem.empty())
            hmacs.push_back(hmacSha256(delivery::keyBytes(key), text));
        else
            lastProblem = problem;
    }
    // While keys are rotated, one of them may have been removed: one signature is enough.
    if (hmacs.empty()) return {lastProblem};
    call.request.headers.push_back("webhook-signature: " + delivery::signatureHeader(hmacs));
    return {};
}

void Courier::startOne() {
    uint64_t key = nextKey_++;
    Call& call = inFlight_.emplace(key, std::move(waiting_.front())).first->second;
    waiting_.pop_front();
    Hindrance hindrance = sign(call);
    if (hindrance.reason.empty() && call.access) hindrance.reason = prepareRequest(*call.access, call.request);
    if (hindrance.reason.empty()) {
        send(key, call);
        return;
    }
    http::HttpResponse response;
    response.error = hindrance.reason;
    if (hindrance.final) response.result.ending = delivery::Ending::forbidden;
    end(call, response);
    inFlight_.erase(key);
}

// Starts the request, unless the rate of its service has let others go first while it waited.
void Courier::leave(uint64_t key, Call& call) {
    if (!call.isLimited || outbox::limitedCallStarts(call.service, &call.countedSince)) {
        transport_->start(key, std::move(call.request));
        return;
    }
    putBackOne(call, "it waited for so long that the rate of its service let others go first");
    inFlight_.erase(key);
}

// Starts the request, or has it wait for a token.
void Courier::send(uint64_t key, Call& call) {
    if (!call.access || !call.access->wantsToken()) {
        leave(key, call);
        return;
    }
    std::string name = Tokens::nameOf(call.service, *call.access);
    call.token = tokens_.lend(name, call.request);
    if (call.token != 0)
        leave(key, call);
    else if (tokens_.await(name, key))
        askForToken(name, call);
}

void Courier::askForToken(const std::string& name, const Call& call) {
    std::string problem;
    http::HttpRequest request = tokenRequest(*call.access, call.request.timeoutMs, problem);
    if (!problem.empty()) {
        endWaiting(name, tokens_.notAsked(name, problem));
        return;
    }
    uint64_t key = nextKey_++;
    tokens_.asked(name, key, *call.access);
    transport_->start(key, std::move(request));
}

// The calls that waited for a token have it, or fail for want of it.
void Courier::endWaiting(const std::string& name, const Tokens::Answer& answer) {
    for (uint64_t key : answer.calls) {
        auto found = inFlight_.find(key);
        if (found == inFlight_.end()) continue;
        Call& call = found->second;
        if (answer.failure.error.empty()) {
            call.token = tokens_.hand(name, call.request);
            leave(key, call);
        } else {
            http::HttpResponse failure = answer.failure;
            end(call, failure);
            inFlight_.erase(found);
        }
    }
}

// A receiver may have had enough of a token before its time: once, another one is asked for.
bool Courier::isSentAgain(uint64_t key, Call& call, http::HttpResponse& response) {
    bool refused = response.result.ending == delivery::Ending::answered && response.result.status == 401;
    if (call.token == 0 || call.hasRefreshed || !refused) return false;
    call.hasRefreshed = true;
    call.request = std::move(response.request);
    tokens_.forget(Tokens::nameOf(call.service, *call.access), call.token);
    // It counts as one more.
    call.countedSince = outbox::notCounted;
    send(key, call);
    return true;
}

void Courier::take(uint64_t key, http::HttpResponse& response) {
    if (tokens_.isAsking(key)) {
        std::string name = tokens_.nameOfQuestion(key);
        endWaiting(name, tokens_.answered(key, response));
        return;
    }
    auto found = inFlight_.find(key);
    if (found == inFlight_.end() || isSentAgain(key, found->second, response)) return;
    end(found->second, response);
    inFlight_.erase(found);
}

void Courier::startSome() {
    if (waitsForStandby()) return;
    size_t most = static_cast<size_t>(settings::maxConcurrency);
    while (!waiting_.empty() && transport_->inFlight() + tokens_.waiting() < most)
        startOne();
}

void Courier::perform(int timeoutMs) {
    startSome();
    // Nobody tells of the answer of a standby.
    if (!waiting_.empty() && waitsForStandby()) timeoutMs = std::min(timeoutMs, standbyMs);
    if (transport_->inFlight() == 0) {
        if (!waiting_.empty()) pg_usleep(timeoutMs * 1000L);
        return;
    }
    for (auto& [key, response] : transport_->wait(timeoutMs))
        take(key, response);
    startSome();
}

void Courier::addOutcome(const Call& call, const Item& item, const http::HttpResponse& response,
                         const delivery::Decision& decision) {
    Outcome outcome;
    outcome.id = item.id;
    outcome.verdict = decision.verdict == delivery::Verdict::done    ? "done"
                      : decision.verdict == delivery::Verdict::retry ? "retry"
                                                                     : "dead";
    outcome.delayMs = decision.delayMs;
    outcome.error = response.error;
    outcome.status = response.result.ending == delivery::Ending::answered ? response.result.status : 0;
    if (item.heard && outcome.status != 0) {
        outcome.response = response.body;
        outcome.headers = jsonOf(response.headers);
        outcome.cut = response.cut;
    } else {
        outcome.response = response.body.substr(0, keptResponse);
    }
    if (call.answerMs >= 0 && decision.verdict == delivery::Verdict::done && outcome.status == acceptedStatus) {
        outcome.verdict = "sent";
        outcome.delayMs = call.answerMs;
    }
    outcomes_.push_back(std::move(outcome));
}

// The same for all.
void Courier::addOutcomes(const Call& call, const http::HttpResponse& response) {
    delivery::CallPolicy policy = call.policy;
    for (const Item& item : call.items) {
        policy.attempt = item.attempt;
        addOutcome(call, item, response, delivery::decide(response.result, policy, compat::chance()));
    }
}

// A batch was answered with 2xx, perhaps call by call.
void Courier::addOutcomesOfBatch(const Call& call, http::HttpResponse& response) {
    std::vector<delivery::ItemAnswer> answers;
    std::string problem;
    if (response.cut) problem = "the answer is too long to be read";
    bool perItem = problem.empty() && delivery::readItemAnswers(response.body, call.items.size(),
                                                                response.result.status, answers, problem);
    if (problem.empty() && perItem) {
        delivery::CallPolicy policy = call.policy;
        http::HttpResponse own;
        own.headers = response.headers;
        for (size_t i = 0; i < call.items.size(); ++i) {
            policy.attempt = call.items[i].attempt;
            own.result = answers[i].result;
            own.error = answers[i].error;
            own.body = std::move(answers[i].response);
            addOutcome(call, call.items[i], own, delivery::decideItem(own.result, policy, compat::chance()));
            outcomes_.back().status = answers[i].status;
        }
        return;
    }
    // They share the memory of one answer.
    size_t most = std::max(keptResponse, answerShare() / call.items.size());
    if (response.body.size() > most) {
        response.body.resize(most);
        response.cut = true;
    }
    if (!problem.empty()) {
        response.error = problem;
        response.result.ending = delivery::Ending::unreachable;
    }
    addOutcomes(call, response);
}

void Courier::end(const Call& call, http::HttpResponse& response) {
    int status = response.result.status;
    bool succeeded = response.result.ending == delivery::Ending::answered && status >= 200 && status <= 299;
    if (call.isBatch && succeeded)
        addOutcomesOfBatch(call, response);
    else
        addOutcomes(call, response);
    delivery::Decision decision = delivery::decide(response.result, call.policy, compat::chance());

    Service& service = services_[call.service];
    --service.busy;
    if (call.isLimited) outbox::limitedCallEnds(call.service, call.countedSince);
    if (decision.countsAsFailure) {
        service.pauseMs = Max(service.pauseMs, service.breaker.fail(call.probing));
        service.error = response.error;
        service.changed =
            service.changed || recordsEveryFailure() || service.breaker.failures >= delivery::Breaker::failuresToOpen;
    } else if (service.breaker.failures > 0) {
        service.breaker.succeed();
        service.pauseMs = 0;
        service.changed = service.changed || service.recordedFailures > 0;
    }
    if (decision.disables) {
        service.disabled = "it answered 410 Gone";
        service.changed = true;
    }
}

void Courier::putBackOne(const Call& call, const char* reason) {
    --services_[call.service].busy;
    if (call.isLimited) outbox::limitedCallStays(call.service);
    for (const Item& item : call.items)
        outcomes_.push_back({item.id, "unsent", 0, reason, "", 0});
}

void Courier::putBack(const char* reason) {
    for (const Call& call : waiting_)
        putBackOne(call, reason);
    waiting_.clear();
}

void Courier::abandonCalls() {
    for (const auto& [key, call] : inFlight_) {
        if (call.isLimited) outbox::limitedCallEnds(call.service, call.countedSince);
        for (const Item& item : call.items)
            outcomes_.push_back({item.id, "retry", 0, "the worker was stopped during the call", "", 0});
    }
    inFlight_.clear();
    tokens_.abandon();
    putBack("the worker was stopped before the call");
    transport_ = http::makeHttpTransport(currentLimits());
}

void Courier::recorded() {
    outcomes_.clear();
    for (auto service = services_.begin(); service != services_.end();) {
        if (service->second.changed) service->second.recordedFailures = service->second.breaker.failures;
        service->second.changed = false;
        service->second.pauseMs = 0;
        service->second.disabled.clear();
        if (service->second.busy <= 0 && service->second.breaker.failures == service->second.recordedFailures)
            service = services_.erase(service);
        else
            ++service;
    }
}

}  // namespace specql::worker
