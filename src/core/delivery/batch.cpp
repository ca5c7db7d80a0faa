#include "delivery/batch.hpp"

#include <algorithm>
#include <map>

#include "delivery/json_members.hpp"
#include "text/ascii.hpp"

namespace specql::delivery {

namespace {

constexpr int statusOfError = 500;
constexpr int statusGone = 410;

// The status that an element has; 0 if it has none.
int statusOf(std::string_view written) {
    bool isNumber = written.size() == 3 && std::all_of(written.begin(), written.end(), isAsciiDigit);
    int status = isNumber ? std::stoi(std::string(written)) : 0;
    return status >= 200 && status <= 599 ? status : 0;
}

// What the member "error" says; empty if it says nothing.
std::string errorOf(std::string_view element, std::string_view written) {
    if (written.empty() || written == "null" || written == "false") return {};
    if (written.front() != '"') return std::string(written);
    std::map<std::string, std::string> members;
    (void)readMembers(element, members);
    return members["error"];
}

ItemAnswer answerOf(std::string_view element, int status) {
    ItemAnswer answer;
    answer.response = element;
    answer.result.ending = Ending::answered;
    answer.status = answer.result.status = status;
    std::map<std::string, std::string_view> members;
    // What is no object says no more than that it is there.
    if (!readWrittenMembers(element, members)) return answer;
    answer.error = errorOf(element, members["error"]);
    int own = statusOf(members["status"]);
    if (own != 0)
        answer.status = answer.result.status = own;
    else if (!answer.error.empty())
        answer.result.status = statusOfError;
    if (answer.result.status > 299) {
        std::string said = own != 0 ? "status " + std::to_string(own) : std::string();
        std::string between = said.empty() || answer.error.empty() ? "" : ": ";
        answer.error = "its result: " + said + between + answer.error;
    } else {
        answer.error.clear();
    }
    return answer;
}

}  // namespace

bool readItemAnswers(std::string_view json, size_t count, int status, std::vector<ItemAnswer>& answers,
                     std::string& problem) {
    std::map<std::string, std::string_view> members;
    std::vector<std::string_view> elements;
    if (!readWrittenMembers(json, members)) return false;
    auto results = members.find("results");
    if (results == members.end() || !readWrittenElements(results->second, elements)) return false;
    if (elements.size() != count) {
        problem =
            "the answer has " + std::to_string(elements.size()) + " results for " + std::to_string(count) + " calls";
        return true;
    }
    for (std::string_view element : elements)
        answers.push_back(answerOf(element, status));
    return true;
}

Decision decideItem(const CallResult& result, const CallPolicy& policy, double chance) {
    Decision decision = decide(result, policy, chance);
    decision.countsAsFailure = false;
    if (result.status == statusGone) {
        decision.verdict = Verdict::dead;
        decision.disables = false;
    }
    return decision;
}

}  // namespace specql::delivery
