#include "delivery/token.hpp"

#include <algorithm>
#include <map>

#include "delivery/json_members.hpp"
#include "delivery/signature.hpp"
#include "delivery/template.hpp"
#include "text/ascii.hpp"

namespace specql::delivery {

namespace {

constexpr size_t longestToken = 16000;
constexpr size_t longestReason = 200;
// Of a token whose server does not say how long it is good; one that is no more is answered with 401.
constexpr int64_t usualSeconds = 3600;
constexpr int64_t longestSeconds = 24 * 3600;
constexpr int64_t mostMarginMs = 30000;

// As in application/x-www-form-urlencoded.
std::string formEncoded(std::string_view text) {
    std::string encoded(3 * text.size(), ' ');
    encoded.resize(percentEncode(text, encoded.data()));
    for (size_t at = encoded.find("%20"); at != std::string::npos; at = encoded.find("%20", at))
        encoded.replace(at, 3, "+");
    return encoded;
}

// A word of the server, to be shown.
std::string shown(const std::string& text) {
    std::string result = text.substr(0, longestReason);
    std::replace_if(
        result.begin(), result.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
    return result;
}

int64_t lifeSeconds(const std::string& text) {
    size_t digits = 0;
    while (digits < text.size() && isAsciiDigit(text[digits]))
        ++digits;
    if (digits == 0) return usualSeconds;
    return digits > 9 ? longestSeconds : std::min<int64_t>(std::stoll(text.substr(0, digits)), longestSeconds);
}

bool canBeSent(const std::string& token) {
    return token.size() <= longestToken &&
           std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

bool isBearer(const std::string& type) {
    std::string lower;
    for (char c : type)
        lower += toAsciiLower(c);
    return lower.empty() || lower == "bearer";
}

// What the server says is wrong; it may repeat what it was sent.
std::string refusal(int status, std::map<std::string, std::string>& members, std::string_view secret) {
    std::string reason = "HTTP " + std::to_string(status);
    std::string said = members["error"];
    if (!members["error_description"].empty()) said += (said.empty() ? "" : ": ") + members["error_description"];
    bool repeats = !secret.empty() &&
                   (said.find(secret) != std::string::npos || said.find(formEncoded(secret)) != std::string::npos);
    if (!said.empty() && !repeats) reason += ", " + shown(said);
    return reason;
}

}  // namespace

std::string basicCredentials(std::string_view user, std::string_view password) {
    return "Basic " + base64(std::string(user) + ":" + std::string(password));
}

std::string clientCredentials(std::string_view client, std::string_view secret) {
    return basicCredentials(formEncoded(client), formEncoded(secret));
}

std::string tokenRequestBody(std::string_view scope) {
    std::string body = "grant_type=client_credentials";
    if (!scope.empty()) body += "&scope=" + formEncoded(scope);
    return body;
}

TokenAnswer readTokenAnswer(int status, std::string_view body, std::string_view secret) {
    TokenAnswer answer;
    std::map<std::string, std::string> members;
    bool isObject = readMembers(body, members);
    if (status < 200 || status > 299) {
        answer.problem = refusal(status, members, secret);
    } else if (!isObject) {
        answer.problem = "its answer is no JSON object";
    } else if (members["access_token"].empty()) {
        answer.problem = "its answer has no access_token";
    } else if (!isBearer(members["token_type"])) {
        answer.problem = "its tokens are not of the type bearer, but " + shown(members["token_type"]);
    } else if (!canBeSent(members["access_token"])) {
        answer.problem = "its token is too long, or holds characters that cannot be sent";
    } else {
        int64_t lifeMs = 1000 * lifeSeconds(members["expires_in"]);
        answer.token = members["access_token"];
        answer.useForMs = lifeMs - std::min(lifeMs / 10, mostMarginMs);
    }
    return answer;
}

}  // namespace specql::delivery
