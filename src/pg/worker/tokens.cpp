#include "pg/worker/tokens.hpp"

#include <algorithm>
#include <utility>

#include "delivery/token.hpp"
#include "pg/worker/secrets.hpp"

namespace specql::worker {

namespace {

const std::string bearer = "Authorization: Bearer ";

// A second attempt has the token of the first one.
void show(const std::string& token, http::HttpRequest& request) {
    auto isOld = [](const std::string& header) { return header.compare(0, bearer.size(), bearer) == 0; };
    request.headers.erase(std::remove_if(request.headers.begin(), request.headers.end(), isOld), request.headers.end());
    request.headers.push_back(bearer + token);
}

}  // namespace

std::string Tokens::nameOf(const std::string& service, const Access& access) {
    std::string name = service;
    for (const std::string* part : {&access.tokenUrl, &access.client, &access.clientSecret, &access.scope})
        name += '\1' + *part;
    return name;
}

uint64_t Tokens::lend(const std::string& name, http::HttpRequest& request) const {
    auto found = tokens_.find(name);
    return found != tokens_.end() && found->second.goodUntil > Clock::now() ? hand(name, request) : 0;
}

uint64_t Tokens::hand(const std::string& name, http::HttpRequest& request) const {
    auto found = tokens_.find(name);
    if (found == tokens_.end() || found->second.value.empty()) return 0;
    show(found->second.value, request);
    return found->second.number;
}

bool Tokens::await(const std::string& name, uint64_t call) {
    Token& token = tokens_[name];
    token.waiting.push_back(call);
    return !std::exchange(token.isAsked, true);
}

void Tokens::asked(const std::string& name, uint64_t key, const Access& access) {
    std::string ignored;
    questions_[key] = {name, access.tokenUrl, findLine(access.clientSecret, ignored), Clock::now()};
}

void Tokens::forget(const std::string& name, uint64_t number) {
    auto found = tokens_.find(name);
    if (found != tokens_.end() && found->second.number == number) found->second.value.clear();
}

void Tokens::abandon() {
    questions_.clear();
    for (auto& [name, token] : tokens_) {
        token.isAsked = false;
        token.waiting.clear();
    }
}

size_t Tokens::waiting() const {
    size_t count = 0;
    for (const auto& entry : tokens_)
        count += entry.second.waiting.size();
    return count;
}

Tokens::Answer Tokens::answered(uint64_t key, const http::HttpResponse& response) {
    Question question = std::move(questions_.at(key));
    questions_.erase(key);
    std::string problem = response.error;
    if (response.result.ending == delivery::Ending::answered) {
        delivery::TokenAnswer answer =
            delivery::readTokenAnswer(response.result.status, response.body, question.secret);
        problem = answer.problem;
        Token& token = tokens_[question.name];
        token.value = answer.token;
        token.goodUntil = question.since + std::chrono::milliseconds(answer.useForMs);
        token.number = nextNumber_++;
    }
    Answer answer = notAsked(question.name, problem);
    if (problem.empty()) return answer;
    answer.failure.error = "no token from " + question.url + ": " + problem;
    if (response.result.ending == delivery::Ending::forbidden)
        answer.failure.result.ending = delivery::Ending::forbidden;
    return answer;
}

Tokens::Answer Tokens::notAsked(const std::string& name, const std::string& problem) {
    Token& token = tokens_[name];
    Answer answer;
    answer.calls = std::exchange(token.waiting, {});
    answer.failure.error = problem;
    token.isAsked = false;
    if (!problem.empty()) tokens_.erase(name);
    return answer;
}

}  // namespace specql::worker
