// Texts that regular expressions match.
#include "testgen/sample.hpp"

#include <gtest/gtest.h>

namespace specql {

using namespace specql::testgen;
namespace {

std::string sample(const std::string& expression, size_t variant = 0) {
    std::string found;
    return sampleOf(expression, variant, found) ? found : "none";
}

TEST(Sample, MatchesTheExpression) {
    EXPECT_EQ("AA0", sample("^[A-Z]{2}[0-9]$"));
    EXPECT_EQ("BB1", sample("^[A-Z]{2}[0-9]$", 1));
    EXPECT_EQ("00-aa", sample("\\d{2}-[[:alpha:]]{2,4}"));
    EXPECT_EQ("red", sample("^(red|green)$"));
    EXPECT_EQ("green", sample("^(?:red|green)$", 1));
    EXPECT_EQ("a.b", sample("^a\\.b?$"));
    EXPECT_EQ("d", sample("^[^abc]+$"));
    EXPECT_EQ("]", sample("[]x]"));
}

TEST(Sample, HasRoomForANumber) {
    std::string found;
    EXPECT_TRUE(numberedSampleOf("^V-[0-9]+$", "{N}", found));
    EXPECT_EQ("V-{N}", found);
    EXPECT_TRUE(numberedSampleOf("^\\w+@[a-z]+$", "{N}", found));
    EXPECT_EQ("{N}@a", found);
    EXPECT_FALSE(numberedSampleOf("^[A-Z]{2}[0-9]$", "{N}", found));
    EXPECT_FALSE(numberedSampleOf("^[a-z]+$", "{N}", found));
    EXPECT_FALSE(numberedSampleOf("plain", "{N}", found));
}

TEST(Sample, GivesUpOnWhatItDoesNotKnow) {
    for (const char* expression : {"plain", "(?=a)b", "[a", "(a", "*a", "\\y", "a{999}", "[[:nothing:]]", "a)", "\\"})
        EXPECT_EQ("none", sample(expression)) << expression;
}

}  // namespace
}  // namespace specql
