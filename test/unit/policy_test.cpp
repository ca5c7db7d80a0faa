// The arithmetic of deliveries: when to try again, what an answer means, what is signed, where calls may go.
#include <gtest/gtest.h>

#include "delivery/backoff.hpp"
#include "delivery/destination.hpp"
#include "delivery/secret_source.hpp"
#include "delivery/signature.hpp"
#include "delivery/template.hpp"
#include "delivery/traceparent.hpp"
#include "delivery/verdict.hpp"
#include "text/duration.hpp"

namespace specql {

using namespace specql::delivery;
namespace {

TEST(Backoff, DoublesUpToAnHour) {
    EXPECT_EQ(500, backoffMs(1000, 1, 0.5));
    EXPECT_EQ(1000, backoffMs(1000, 2, 0.5));
    EXPECT_EQ(4000, backoffMs(1000, 4, 0.5));
    EXPECT_EQ(longestBackoffMs / 2, backoffMs(1000, 40, 0.5));
    EXPECT_EQ(longestBackoffMs / 2, backoffMs(longestBackoffMs * 5, 1000, 0.5));
    EXPECT_EQ(0, backoffMs(1000, 5, 0));
    EXPECT_EQ(0, backoffMs(-1, 5, 0.9));
}

TEST(RetryAfter, ReadsSecondsAndDates) {
    constexpr int64_t now = 946684799;  // 1999-12-31 23:59:59
    EXPECT_EQ(120, retryAfterSeconds("120", now));
    EXPECT_EQ(7, retryAfterSeconds(" 7 ", now));
    EXPECT_EQ(86400, retryAfterSeconds("99999999999999999999", now));
    EXPECT_EQ(0, retryAfterSeconds("Fri, 31 Dec 1999 23:59:59 GMT", now));
    EXPECT_EQ(61, retryAfterSeconds("Sat, 01 Jan 2000 00:01:00 GMT", now));
    EXPECT_EQ(0, retryAfterSeconds("Sun, 06 Nov 1994 08:49:37 GMT", now));
    EXPECT_EQ(1, retryAfterSeconds("Tue, 29 Feb 2000 00:00:00 GMT", 951782399));
    for (const char* bad :
         {"", "soon", "-1", "1.5", "Fri, 31 Foo 1999 23:59:59 GMT", "Fri, 31 Dec 1999 23:59:59 CET", "1 2"})
        EXPECT_EQ(-1, retryAfterSeconds(bad, now)) << bad;
}

Decision answer(int status, int attempt = 1, int64_t retryAfter = -1) {
    CallResult result{Ending::answered, status, retryAfter};
    return decide(result, CallPolicy{attempt, 3, 1000, {404}}, 0.5);
}

TEST(Verdict, FollowsTheStatus) {
    for (int status : {200, 201, 204, 299})
        EXPECT_EQ(Verdict::done, answer(status).verdict) << status;
    for (int status : {301, 302, 304, 400, 401, 403, 409, 422})
        EXPECT_EQ(Verdict::dead, answer(status).verdict) << status;
    for (int status : {404, 408, 429, 500, 502, 503, 504})
        EXPECT_EQ(Verdict::retry, answer(status).verdict) << status;
    EXPECT_FALSE(answer(404).countsAsFailure);
    EXPECT_TRUE(answer(503).countsAsFailure);
    EXPECT_EQ(Verdict::dead, answer(500, 3).verdict);
    EXPECT_TRUE(answer(410).disables);
    EXPECT_EQ(Verdict::retry, answer(410, 3).verdict);
}

TEST(Verdict, WaitsAsLongAsTheReceiverSays) {
    EXPECT_EQ(500, answer(429).delayMs);
    EXPECT_EQ(30000, answer(429, 1, 30).delayMs);
    EXPECT_EQ(500, answer(503, 1, 0).delayMs);
}

TEST(Verdict, TriesAgainWhatCouldBeBetterLater) {
    CallPolicy policy{1, 3, 1000, {}};
    EXPECT_EQ(Verdict::retry, decide({Ending::unreachable, 0, -1}, policy, 0.5).verdict);
    EXPECT_EQ(Verdict::retry, decide({Ending::unreachable, 200, -1}, policy, 0.5).verdict);
    EXPECT_EQ(Verdict::dead, decide({Ending::forbidden, 0, -1}, policy, 0.5).verdict);
    EXPECT_FALSE(decide({Ending::forbidden, 0, -1}, policy, 0.5).countsAsFailure);
}

TEST(Breaker, OpensAfterFiveAndProbes) {
    Breaker breaker;
    for (int i = 1; i < Breaker::failuresToOpen; ++i)
        EXPECT_EQ(0, breaker.fail(false));
    EXPECT_EQ(1000, breaker.fail(false));
    EXPECT_EQ(0, breaker.fail(false));  // was on its way already
    EXPECT_EQ(2000, breaker.fail(true));
    EXPECT_EQ(4000, breaker.fail(true));
    for (int i = 0; i < 40; ++i)
        breaker.fail(true);
    EXPECT_EQ(Breaker::longestPauseMs, breaker.fail(true));
    breaker.succeed();
    EXPECT_EQ(0, breaker.fail(false));
}

TEST(Signature, WritesBase64) {
    EXPECT_EQ("", base64(""));
    EXPECT_EQ("Zg==", base64("f"));
    EXPECT_EQ("Zm8=", base64("fo"));
    EXPECT_EQ("Zm9v", base64("foo"));
    EXPECT_EQ("+/8=", base64("\xfb\xff"));
    bool valid;
    for (const char* text : {"", "f", "fo", "foo", "foob"})
        EXPECT_EQ(text, fromBase64(base64(text), valid));
    fromBase64("a*b=", valid);
    EXPECT_FALSE(valid);
}

TEST(Signature, ReadsKeys) {
    EXPECT_EQ("plain", keyBytes("plain\n"));
    EXPECT_EQ("foo", keyBytes("whsec_Zm9v"));
    EXPECT_EQ("whsec_***", keyBytes("whsec_***"));
    EXPECT_EQ("id.5.{}", stringToSign("id", 5, "{}"));
    EXPECT_EQ("v1,Zg== v1,Zm8=", signatureHeader({"f", "fo"}));
}

TEST(Destination, TakesUrlsApart) {
    Url url;
    EXPECT_EQ("", parseUrl("https://Erp.Example/hooks?x=1", url));
    EXPECT_TRUE(url.https);
    EXPECT_EQ("erp.example", url.host);
    EXPECT_EQ(443, url.port);
    EXPECT_EQ("", parseUrl("http://[::1]:8080", url));
    EXPECT_EQ("::1", url.host);
    EXPECT_EQ(8080, url.port);
    for (const char* bad : {"", "ftp://x/", "https:/x", "http://", "http://:80/", "http://u:p@h/", "http://h:0/",
                            "http://h:99999/", "http://h/a b", "http://h/\r\nX: y", "http://h\\@evil/", "http://h/#f",
                            "http://b\xc3\xbc"
                            "cher/",
                            "http://[::1/", "gopher://h", "file:///etc/passwd", "http://h:8x/"})
        EXPECT_NE("", parseUrl(bad, url)) << bad;
}

TEST(Destination, KnowsHeaders) {
    EXPECT_TRUE(isHeaderName("X-Team"));
    EXPECT_FALSE(isHeaderName(""));
    EXPECT_FALSE(isHeaderName("X Team"));
    EXPECT_FALSE(isHeaderName("X:"));
    EXPECT_TRUE(isHeaderValue("a\tb \xc3\xbc"));
    EXPECT_FALSE(isHeaderValue("a\r\nb"));
    EXPECT_FALSE(isHeaderValue(std::string_view("a\0b", 3)));
}

TEST(Destination, KnowsPrivateAddresses) {
    struct Address {
        uint8_t bytes[4];
        bool isPrivate;
    };
    for (const Address& address :
         {Address{{127, 0, 0, 1}, true}, Address{{10, 1, 2, 3}, true}, Address{{172, 16, 0, 1}, true},
          Address{{172, 32, 0, 1}, false}, Address{{192, 168, 0, 1}, true}, Address{{169, 254, 169, 254}, true},
          Address{{100, 64, 0, 1}, true}, Address{{0, 0, 0, 0}, true}, Address{{224, 0, 0, 1}, true},
          Address{{255, 255, 255, 255}, true}, Address{{8, 8, 8, 8}, false}, Address{{100, 128, 0, 1}, false}}) {
        EXPECT_EQ(address.isPrivate, isPrivateAddress4(address.bytes))
            << int(address.bytes[0]) << '.' << int(address.bytes[1]);
        uint8_t mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
        std::copy(address.bytes, address.bytes + 4, mapped + 12);
        EXPECT_EQ(address.isPrivate, isPrivateAddress6(mapped));
    }
    uint8_t loopback[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    EXPECT_TRUE(isPrivateAddress6(loopback));
    uint8_t unspecified[16] = {};
    EXPECT_TRUE(isPrivateAddress6(unspecified));
    uint8_t linkLocal[16] = {0xfe, 0x80};
    EXPECT_TRUE(isPrivateAddress6(linkLocal));
    uint8_t uniqueLocal[16] = {0xfd, 0};
    EXPECT_TRUE(isPrivateAddress6(uniqueLocal));
    uint8_t global[16] = {0x2a, 0x00, 0x14, 0x50};
    EXPECT_FALSE(isPrivateAddress6(global));
}

TEST(Destination, FindsHostsInTheList) {
    const char* list = "localhost:8080, 10.0.0.7 ,*.internal, [::1]:90, ::1:2";
    EXPECT_TRUE(namesHost(list, "LOCALHOST", 8080));
    EXPECT_FALSE(namesHost(list, "localhost", 80));
    EXPECT_TRUE(namesHost(list, "10.0.0.7", 1));
    EXPECT_FALSE(namesHost(list, "10.0.0.77", 1));
    EXPECT_TRUE(namesHost(list, "a.internal", 443));
    EXPECT_FALSE(namesHost(list, "internal", 443));
    EXPECT_FALSE(namesHost(list, "ainternal", 443));
    EXPECT_TRUE(namesHost(list, "::1", 90));
    EXPECT_FALSE(namesHost(list, "::1", 91));
    EXPECT_FALSE(namesHost("", "x", 1));
    EXPECT_FALSE(namesHost(" , ,", "x", 1));
}

TEST(SecretSource, AllowsWhatTheListNames) {
    const char* list = "env:WEBHOOK_*, file:/etc/specql/* ,env:ONE,file:/run/*/key";
    for (const char* good :
         {"env:WEBHOOK_A", "env:WEBHOOK_", "env:ONE", "file:/etc/specql/a", "file:/etc/specql/a.b", "file:/run/x/key"})
        EXPECT_TRUE(allowsSource(list, good)) << good;
    for (const char* bad : {"env:WEBHOOK", "env:ONES", "env:PATH", "env:/etc/specql/a", "file:/etc/specql/a/b",
                            "file:/etc/specql/", "file:/etc/specql", "file:/etc/specql/..", "file:/etc/specql/.",
                            "file:/etc/specql//a", "file:/etc/specql/../x", "file:/run/../key", "file:/run/x/y/key",
                            "file:etc/specql/a", "file:", "key:a", "missing:ONE", ""})
        EXPECT_FALSE(allowsSource(list, bad)) << bad;
    EXPECT_FALSE(allowsSource("", "env:A"));
    EXPECT_FALSE(allowsSource(" , ,*", "env:A"));
    EXPECT_TRUE(allowsSource("env:*", "env:A"));
    EXPECT_FALSE(allowsSource("file:*", "file:/a"));
    EXPECT_TRUE(allowsSource("env:*a*b", "env:aabab"));
    EXPECT_FALSE(allowsSource("env:*a*b", "env:aaba"));
}

TEST(Traceparent, IsOfTheW3C) {
    const std::string good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    EXPECT_TRUE(isTraceparent(good));
    EXPECT_TRUE(isTraceparent("cc" + good.substr(2)));
    EXPECT_TRUE(isTraceparent("cc" + good.substr(2) + "-what the future brings"));
    for (const std::string& bad :
         {std::string(), std::string("00"), good + "-x", good + "0", good.substr(0, 54), "ff" + good.substr(2),
          "0x" + good.substr(2), "cc" + good.substr(2) + "x", "00_" + good.substr(3),
          std::string("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"),
          std::string("00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
          std::string("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"),
          std::string("00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01"),
          std::string("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g")})
        EXPECT_FALSE(isTraceparent(bad)) << bad;
}

TEST(Traceparent, StandsInTheCommentAtTheEnd) {
    const std::string trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                      pair = "traceparent='" + trace + "'";
    for (const std::string& good :
         {"SELECT 1 /*" + pair + "*/", "SELECT 1; /* " + pair + " */ ;\n",
          "SELECT 1 /*action='a%20b',db_driver='pg\\'s' , " + pair + ",z='1'*/", "SELECT '/*' /* x */ /*" + pair + "*/",
          "/*" + pair + "*/", std::string(100000, 'x') + "/*" + pair + "*/"})
        EXPECT_EQ(trace, commentedTraceparent(good)) << good.substr(0, 200);
    for (const std::string& bad : {std::string(),
                                   std::string("SELECT 1"),
                                   std::string("*/"),
                                   std::string("/*/"),
                                   std::string("/**/"),
                                   "SELECT '/*" + pair + "*/'",
                                   "SELECT $$/*" + pair + "*/$$",
                                   "/*" + pair + "*/ SELECT 1",
                                   "SELECT 1 /*" + pair,
                                   "SELECT 1 /*see " + pair + "*/",
                                   "SELECT 1 /*" + pair + ",*/",
                                   "SELECT 1 /*" + pair + " and*/",
                                   "SELECT 1 /*traceparent='" + trace.substr(1) + "'*/",
                                   "SELECT 1 /*traceparent=" + trace + "*/",
                                   "SELECT 1 /*traceparent='" + trace + "*/",
                                   "SELECT 1 /*tracestate='" + trace + "'*/",
                                   "SELECT 1 /*='x'," + pair + "*/",
                                   "SELECT $$/*" + pair + "$$ -- */",
                                   std::string("SELECT 1 /*traceparent='\\'*/"),
                                   "SELECT 1 /*" + pair + ",x='" + std::string(5000, 'x') + "'*/"})
        EXPECT_EQ("", commentedTraceparent(bad)) << bad.substr(0, 200);
}

TEST(Duration, ReadsWhatPeopleWrite) {
    EXPECT_EQ(10000, durationMs("10 s"));
    EXPECT_EQ(10000, durationMs("10"));
    EXPECT_EQ(500, durationMs("500ms"));
    EXPECT_EQ(90000, durationMs("1.5 min"));
    EXPECT_EQ(7200000, durationMs("2 Hours"));
    for (const char* bad : {"", "s", "-1 s", "1 fortnight", "1.", ".5 s", "1.2345 s", "10 s s", "99999999999"})
        EXPECT_EQ(-1, durationMs(bad)) << bad;
}

std::string partsOf(std::string_view text) {
    std::string result;
    for (size_t offset = 0;;) {
        TemplatePart part = nextPart(text, offset);
        if (part.kind == TemplatePart::Kind::end) return result;
        if (part.kind == TemplatePart::Kind::bad) return result + "!" + std::string(part.text);
        std::string there(part.text);
        result += part.kind == TemplatePart::Kind::key ? "<" + there + ">" : there;
    }
}

TEST(Template, HasKeysInBraces) {
    EXPECT_EQ("/customers/<customer_id>/orders", partsOf("/customers/{customer_id}/orders"));
    EXPECT_EQ("<a><new.b-2>", partsOf("{a}{new.b-2}"));
    EXPECT_EQ("{x}", partsOf("{{x}}"));
    EXPECT_EQ("{<x>}", partsOf("{{{x}}}"));
    EXPECT_EQ("<\xc3\xa9tat>", partsOf("{\xc3\xa9tat}"));
    EXPECT_EQ("", partsOf(""));
    for (const char* bad :
         {"{", "{}", "{a", "{ a}", "{a b}", "{.a}", "{a.}", "{a..b}", "{a/b}", "{a{b}}", "}", "}a", "{\n}"})
        EXPECT_EQ("x!" + std::string(bad), partsOf("x" + std::string(bad)));
    size_t offset;
    EXPECT_NE(nullptr, templateProblem("/a/{b}/{c", offset));
    EXPECT_EQ(7u, offset);
    EXPECT_EQ(nullptr, templateProblem("/a/{b}", offset));
}

// The text that the template becomes, or the state and the key.
std::string filledWith(std::string_view text, Place place, std::vector<TemplateValue> values) {
    size_t bytes = 0;
    for (const TemplateValue& value : values)
        bytes += value.text.size();
    std::string to(filledBound(text, bytes), '?');
    Filled filled = fillTemplate(text, place, values.data(), to.data());
    if (filled.state == Filled::State::done) return to.substr(0, filled.length);
    const char* names[] = {"done", "left out", "missing", "empty", "not one", "dots", "control"};
    return std::string("!") + names[static_cast<int>(filled.state)] + " " + std::string(filled.key);
}

TemplateValue single(std::string_view text) {
    return {TemplateValue::Kind::single, text};
}

TEST(Template, FillsAPath) {
    auto path = [](std::string_view text, std::vector<TemplateValue> values) {
        return filledWith(text, Place::path, std::move(values));
    };
    EXPECT_EQ("/customers/7/orders", path("/customers/{id}/orders", {single("7")}));
    EXPECT_EQ("/a%2Fb%3Fc%23d%20e%25%C3%A9%0D%0A", path("/{x}", {single("a/b?c#d e%\xc3\xa9\r\n")}));
    EXPECT_EQ("/~a-b_c.d", path("/{x}", {single("~a-b_c.d")}));
    EXPECT_EQ("/{x}", path("/{{x}}", {}));
    EXPECT_EQ("!missing id", path("/customers/{id}", {{}}));
    EXPECT_EQ("!empty id", path("/customers/{id}", {single("")}));
    EXPECT_EQ("!not one id", path("/customers/{id}", {{TemplateValue::Kind::composite, "{}"}}));
    // Nobody gets to what lies above, in whatever pieces.
    for (const char* dots : {".", ".."})
        EXPECT_EQ("!dots id", path("/customers/{id}/orders", {single(dots)}));
    EXPECT_EQ("!dots b", path("/customers/{a}{b}", {single("."), single(".")}));
    EXPECT_EQ("!dots a", path("/customers/.{a}?x", {single(".")}));
    EXPECT_EQ("!dots a", path("/customers/%2e{a}", {single(".")}));
    EXPECT_EQ("/customers/...", path("/customers/{a}", {single("...")}));
    EXPECT_EQ("/a?x=..", path("/a?x={x}", {single("..")}));
    EXPECT_EQ("!missing b", path("/{a}/{b}/{c}", {single("x"), {}, single("")}));
}

TEST(Template, FillsParametersAndHeaders) {
    EXPECT_EQ("2026-01-01T00%3A00%2B01", filledWith("{since}", Place::query, {single("2026-01-01T00:00+01")}));
    EXPECT_EQ("a%26b%3D%7B%22x%22%3A1%7D",
              filledWith("a&b={x}", Place::query, {{TemplateValue::Kind::composite, "{\"x\":1}"}}));
    EXPECT_EQ("", filledWith("{x}", Place::query, {single("")}));
    EXPECT_EQ("!left out since", filledWith("from {since}", Place::query, {{}}));
    EXPECT_EQ("tenant 7 / \xc3\xa9", filledWith("tenant {a} / {b}", Place::header, {single("7"), single("\xc3\xa9")}));
    EXPECT_EQ("!left out a", filledWith("{a}", Place::header, {{}}));
    for (const char* bad : {"a\r\nX-Evil: b", "a\nb", "\x01key:x", "\x7f"})
        EXPECT_EQ("!control a", filledWith("{a}", Place::header, {single(bad)})) << bad;
}

}  // namespace
}  // namespace specql
