// What a call shows to be let in: HTTP Basic, and the tokens of OAuth 2 by client credentials (RFC 6749, 4.4).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace specql::delivery {

// The value of a header Authorization.
std::string basicCredentials(std::string_view user, std::string_view password);
// The same for a client of a token server, which wants both encoded like a form.
std::string clientCredentials(std::string_view client, std::string_view secret);

// The body of the request for a token; the scope may be empty.
std::string tokenRequestBody(std::string_view scope);

struct TokenAnswer {
    std::string token;     // empty if there is none
    int64_t useForMs = 0;  // from the request on; a little less than it is good for
    std::string problem;   // why there is none; never holds the secret
};

// Reads what a token server has answered.
TokenAnswer readTokenAnswer(int status, std::string_view body, std::string_view secret);

}  // namespace specql::delivery
