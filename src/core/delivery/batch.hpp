// What the answer to a batch says of each of its calls.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "delivery/verdict.hpp"

namespace specql::delivery {

// What became of one call of a batch whose request was answered with 2xx.
struct ItemAnswer {
    CallResult result;     // as of a call by itself
    int status;            // its own, or that of the whole answer
    std::string error;     // what it says went wrong; empty if nothing did
    std::string response;  // its element of `results`, as it is written
};

// Reads {"results": [{…}, {"error": …}, {"status": 422}, …]}: one element for each call, in their order. An element
// with a status counts like an answer of HTTP with it; one with an error and no status like 500; any other one like
// `status`, that of the whole answer. False if the answer has no list of that name, and so is the same for all.
// `problem` says why it cannot be understood; then nobody knows what became of which call.
bool readItemAnswers(std::string_view json, size_t count, int status, std::vector<ItemAnswer>& answers,
                     std::string& problem);

// Decides as decide() does of an answer, but that the answer is one call's: it says nothing about its service, and a
// 410 is final for that call alone.
Decision decideItem(const CallResult& result, const CallPolicy& policy, double chance);

}  // namespace specql::delivery
