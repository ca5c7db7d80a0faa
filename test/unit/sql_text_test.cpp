#include "text/sql_text.hpp"

#include <gtest/gtest.h>

namespace specql::test {

namespace {

std::vector<std::string> split(const std::string& text, char separator = ',') {
    std::vector<std::string> parts;
    for (Slice slice : splitTopLevel(text, separator)) {
        parts.push_back(text.substr(slice.begin, slice.end - slice.begin));
    }
    return parts;
}

using Parts = std::vector<std::string>;

TEST(SqlText, SplitsAtTopLevelOnly) {
    EXPECT_EQ((Parts{"a", "b"}), split(" a , b "));
    EXPECT_EQ((Parts{"f(a, b)", "ARRAY[1, 2]"}), split("f(a, b), ARRAY[1, 2]"));
    EXPECT_EQ((Parts{"'a,b'", "\"c,d\"", "$$e,f$$", "$t$g,$h,$t$"}), split("'a,b', \"c,d\", $$e,f$$, $t$g,$h,$t$"));
    EXPECT_EQ((Parts{"'it''s, so'", "E'a\\', b'"}), split("'it''s, so', E'a\\', b'"));
    EXPECT_EQ((Parts{"a /* , */", "b -- , x\n + c"}), split("a /* , */, b -- , x\n + c"));
    EXPECT_EQ((Parts{"a", "", "b", ""}), split("a,,b,"));
    EXPECT_EQ(Parts{}, split("  "));
    EXPECT_EQ((Parts{"$1", "a$b"}), split("$1, a$b"));
}

TEST(SqlText, SurvivesWhatIsNeverClosed) {
    EXPECT_EQ((Parts{"'a, b"}), split("'a, b"));
    EXPECT_EQ((Parts{"f(a, b"}), split("f(a, b"));
    EXPECT_EQ((Parts{"a)", "b"}), split("a), b"));
    EXPECT_EQ((Parts{"$x$ a, b"}), split("$x$ a, b"));
    EXPECT_EQ((Parts{"/* a, b"}), split("/* a, b"));
}

TEST(SqlText, FindsKeywordsAsWholeWords) {
    EXPECT_EQ(4u, findKeyword("a = where b", "WHERE"));
    EXPECT_EQ(2u, findKeyword("a ORDER\n  by b", "ORDER BY"));
    EXPECT_EQ(std::string::npos, findKeyword("somewhere nowhere_ whereas", "WHERE"));
    EXPECT_EQ(std::string::npos, findKeyword("f(x WHERE y) 'WHERE' \"WHERE\"", "WHERE"));
    EXPECT_EQ(std::string::npos, findKeyword("t.limit", "LIMIT"));
    EXPECT_EQ(6u, findKeyword("LIMIT LIMIT", "LIMIT", 1));
}

TEST(SqlText, MeasuresNames) {
    EXPECT_EQ(7u, nameLength("Product SET", 0));
    EXPECT_EQ(11u, nameLength("sales.Order x", 0));
    EXPECT_EQ(12u, nameLength("\"a b\".\"c\"\"d\" x", 0));
    EXPECT_EQ(1u, nameLength("a. b", 0));
    EXPECT_EQ(0u, nameLength("1a", 0));
    EXPECT_EQ(0u, nameLength("\"a", 0));
    EXPECT_EQ(0u, nameLength("", 0));
    EXPECT_EQ(7u, nameLength("größe", 0));
}

TEST(SqlText, KnowsComments) {
    EXPECT_TRUE(hasComment("a -- b"));
    EXPECT_TRUE(hasComment("a /* b */"));
    EXPECT_FALSE(hasComment("'--' || \"/*\" || $$--$$"));
    EXPECT_FALSE(hasComment("a - -b / *c"));
}

TEST(SqlText, ClosesParentheses) {
    EXPECT_EQ(10u, closingParen("f('(', (x))", 1));
    EXPECT_EQ(std::string::npos, closingParen("f(')'", 1));
}

TEST(SqlText, MakesSnakeCase) {
    EXPECT_EQ("inventory_event", snakeCase("InventoryEvent"));
    EXPECT_EQ("http_call", snakeCase("HTTPCall"));
    EXPECT_EQ("order_item", snakeCase("order_item"));
    EXPECT_EQ("order_item", snakeCase("orderItem"));
    EXPECT_EQ("product", snakeCase("Product"));
    EXPECT_EQ("sha256_hash", snakeCase("SHA256Hash"));
    EXPECT_EQ("", snakeCase(""));
}

}  // namespace

}  // namespace specql::test
