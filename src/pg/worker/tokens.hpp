// The tokens that calls show, by service: in memory alone, until they end. Which calls wait for which token.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "pg/worker/access.hpp"

namespace specql::worker {

class Tokens {
public:
    // What a token is kept by; it changes with what it is asked with.
    static std::string nameOf(const std::string& service, const Access& access);

    // Puts the token into a request and returns its number; 0 if there is none that is good.
    uint64_t lend(const std::string& name, http::HttpRequest& request) const;
    // A call waits for the token. True if nobody has asked for it: then the caller does.
    bool await(const std::string& name, uint64_t call);
    // It is asked for under this key of the transport.
    void asked(const std::string& name, uint64_t key, const Access& access);
    // The receiver does not take this token.
    void forget(const std::string& name, uint64_t number);
    // The requests for tokens have been given up, and the calls that waited.
    void abandon();

    // How many calls wait for one.
    size_t waiting() const;

    struct Answer {
        std::vector<uint64_t> calls;  // that waited
        http::HttpResponse failure;   // of each of them, if it has an error
    };

    bool isAsking(uint64_t key) const { return questions_.count(key) != 0; }
    // The name of the token that is asked for.
    std::string nameOfQuestion(uint64_t key) const { return questions_.at(key).name; }
    Answer answered(uint64_t key, const http::HttpResponse& response);
    // There was no way to ask.
    Answer notAsked(const std::string& name, const std::string& problem);
    // Puts the token into the request of a call that has waited for it, however soon it ends.
    uint64_t hand(const std::string& name, http::HttpRequest& request) const;

private:
    using Clock = std::chrono::steady_clock;

    struct Token {
        std::string value;
        Clock::time_point goodUntil;
        uint64_t number = 0;
        bool isAsked = false;
        std::vector<uint64_t> waiting;
    };
    struct Question {
        std::string name, url, secret;
        Clock::time_point since;
    };

    std::map<std::string, Token> tokens_;
    std::map<uint64_t, Question> questions_;
    uint64_t nextNumber_ = 1;
};

}  // namespace specql::worker
