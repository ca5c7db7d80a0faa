// What calls show to be let in, and what token servers answer.
#include <gtest/gtest.h>

#include "delivery/json_members.hpp"
#include "delivery/token.hpp"

namespace specql {

using namespace specql::delivery;
namespace {

TEST(JsonMembers, ReadsWhatIsFlat) {
    std::map<std::string, std::string> members;
    EXPECT_TRUE(readMembers(
        R"( {"a": "x\n\"\u00e9\ud83d\ude00", "b":-1.5e3 , "c":null,"d":true, "e": {"a": [1, {}]}, "f": []} )",
        members));
    EXPECT_EQ((std::map<std::string, std::string>{
                  {"a", "x\n\"\xc3\xa9\xf0\x9f\x98\x80"}, {"b", "-1.5e3"}, {"c", ""}, {"d", "true"}}),
              members);
    EXPECT_TRUE(readMembers("{}", members));
    EXPECT_TRUE(members.empty());
    std::string deep;
    for (int i = 0; i < 100000; ++i)
        deep += "{\"a\":[";
    for (const std::string& bad :
         {std::string(), std::string("[]"), std::string("{"), std::string("{\"a\"}"), std::string("{\"a\":}"),
          std::string("{\"a\":1,}"), std::string("{a:1}"), std::string("{\"a\":yes}"), std::string("{\"a\":\"x"),
          std::string("{\"a\":\"\\x\"}"), std::string("{\"a\":\"\\ud83d\"}"), std::string("{\"a\":\"\\udc00\"}"),
          std::string("{\"a\":\"\n\"}"), std::string("{\"a\":1}x"), std::string("<html>"), std::string("\"{}\""), deep})
        EXPECT_FALSE(readMembers(bad, members)) << bad.substr(0, 40);
}

TEST(Token, IsAskedFor) {
    EXPECT_EQ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", basicCredentials("Aladdin", "open sesame"));
    EXPECT_EQ(basicCredentials("a%3Ab", "p+w%25%C3%A9"), clientCredentials("a:b", "p w%\xc3\xa9"));
    EXPECT_EQ("grant_type=client_credentials", tokenRequestBody(""));
    EXPECT_EQ("grant_type=client_credentials&scope=a%3Aread+b", tokenRequestBody("a:read b"));
}

TEST(Token, IsRead) {
    TokenAnswer answer =
        readTokenAnswer(200, R"({"access_token": "abc", "token_type": "Bearer", "expires_in": 3600})", "s");
    EXPECT_EQ("abc", answer.token);
    EXPECT_EQ(3570000, answer.useForMs);
    EXPECT_EQ("", answer.problem);
    EXPECT_EQ(900, readTokenAnswer(200, R"({"access_token": "abc", "expires_in": "1"})", "s").useForMs);
    EXPECT_EQ(3570000, readTokenAnswer(200, R"({"access_token": "abc"})", "s").useForMs);
    EXPECT_EQ(3570000, readTokenAnswer(200, R"({"access_token": "abc", "expires_in": -5})", "s").useForMs);
    EXPECT_EQ(86370000, readTokenAnswer(200, R"({"access_token": "abc", "expires_in": 99999999999999})", "s").useForMs);
    EXPECT_EQ(0, readTokenAnswer(200, R"({"access_token": "abc", "expires_in": 0})", "s").useForMs);
}

TEST(Token, ProblemsAreNamed) {
    auto problem = [](int status, std::string_view body) {
        TokenAnswer answer = readTokenAnswer(status, body, "top secret");
        EXPECT_EQ("", answer.token);
        return answer.problem;
    };
    EXPECT_EQ("HTTP 401, invalid_client: no such client",
              problem(401, R"({"error": "invalid_client", "error_description": "no such\nclient"})"));
    EXPECT_EQ("HTTP 401", problem(401, R"({"error": "your secret top secret is wrong"})"));
    EXPECT_EQ("HTTP 401", problem(401, R"({"error": "your secret top+secret is wrong"})"));
    EXPECT_EQ("HTTP 500", problem(500, "<html>"));
    EXPECT_EQ("HTTP 302", problem(302, ""));
    EXPECT_EQ("its answer is no JSON object", problem(200, "<html>"));
    EXPECT_EQ("its answer is no JSON object", problem(200, ""));
    EXPECT_EQ("its answer has no access_token", problem(200, R"({"token": "x"})"));
    EXPECT_EQ("its tokens are not of the type bearer, but mac",
              problem(200, R"({"access_token": "x", "token_type": "mac"})"));
    for (const char* token : {"a b", "a\\r\\nX: y", "\\u00e9"})
        EXPECT_EQ("its token is too long, or holds characters that cannot be sent",
                  problem(200, std::string("{\"access_token\": \"") + token + "\"}"));
}

}  // namespace
}  // namespace specql
