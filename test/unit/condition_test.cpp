#include "spec/condition.hpp"

#include <gtest/gtest.h>

namespace specql::test {

using namespace specql::spec;

namespace {

using Parts = std::vector<std::string>;

Parts atoms(const std::string& text) {
    Parts parts;
    for (const Atom& atom : readCondition(text).atoms)
        parts.push_back((atom.conjunct ? "" : "? ") + text.substr(atom.begin, atom.end - atom.begin));
    return parts;
}

TEST(Condition, IsSplitAtAndOrNot) {
    EXPECT_EQ((Parts{"a <= b", "a > 0"}), atoms("a <= b AND a > 0"));
    EXPECT_EQ((Parts{"? a = 1", "? b = 2"}), atoms("a = 1 or b = 2"));
    EXPECT_EQ((Parts{"a = 1", "? b", "? c > 2"}), atoms("a = 1 AND (b OR c > 2)"));
    EXPECT_EQ((Parts{"a = 1", "b = 2", "c = 3"}), atoms("(a = 1 AND (b = 2)) AND c = 3"));
    EXPECT_EQ((Parts{"? a = 1", "? b = 2"}), atoms("NOT (a = 1 AND b = 2)"));
}

TEST(Condition, IsSplitHoweverDeepItIs) {
    EXPECT_EQ((Parts{"a", "? b", "? c"}), atoms("a AND NOT (b AND NOT NOT (c))"));
    EXPECT_EQ((Parts{"? a", "? b", "? c", "? d"}), atoms("a AND b OR (c AND d)"));
    EXPECT_EQ((Parts{"(a OR b) = c", "d"}), atoms("(a OR b) = c AND (d)"));
    std::string open, nots;
    for (int i = 0; i < 300000; i++) {
        open += "(";
        nots += "not ";
    }
    std::string close(open.size(), ')');
    EXPECT_EQ((Parts{"a", "b"}), atoms(open + "a AND b" + close));
    EXPECT_EQ((Parts{"? a"}), atoms(nots + "a"));
    std::string unbalanced = "))" + open + "a";
    EXPECT_EQ((Parts{unbalanced}), atoms(unbalanced));
    EXPECT_EQ((Parts{"? a", "? b"}), atoms("a OR OR b AND NOT"));
}

TEST(Condition, KeepsTogetherWhatIsOne) {
    EXPECT_EQ((Parts{"a BETWEEN 1 AND 5", "b > 3"}), atoms("a BETWEEN 1 AND 5 AND b > 3"));
    EXPECT_EQ((Parts{"CASE WHEN a OR b THEN c AND d END"}), atoms("CASE WHEN a OR b THEN c AND d END"));
    EXPECT_EQ((Parts{"f(a and b) > 1"}), atoms("f(a and b) > 1"));
    EXPECT_EQ((Parts{"a = 'x AND y'", "\"or\" = 'it''s'"}), atoms("a = 'x AND y' AND \"or\" = 'it''s'"));
}

TEST(Condition, TellsItsConstants) {
    ConditionText text = readCondition(
        "a > -5 AND b < 2.50 AND c - 3 > 0 AND d = 'x''y' AND e < now() - interval '1 day' AND f ->> 'key' = 'v'");
    EXPECT_EQ((Parts{"-5", "2.50", "3", "0"}), text.numbers);
    EXPECT_EQ((Parts{"x'y", "v"}), text.texts);
    EXPECT_EQ((Parts{"1 day"}), text.intervals);
    EXPECT_EQ((Parts{"key"}), text.keys);
    EXPECT_FALSE(text.mentionsNull);
    EXPECT_TRUE(readCondition("a IS NOT NULL").mentionsNull);
}

TEST(Condition, ReadsBoundsFromTheNamesSide) {
    Bound bound;
    ASSERT_TRUE(readBound("5 < a", bound));
    EXPECT_EQ("a", bound.name);
    EXPECT_EQ(">", bound.comparison);
    EXPECT_EQ("5", bound.other);
    ASSERT_TRUE(readBound("a <> -3", bound));
    EXPECT_EQ("-3", bound.other);
    ASSERT_TRUE(readBound("a != 'b'", bound));
    EXPECT_EQ("<>", bound.comparison);
    EXPECT_EQ(Bound::Kind::text, bound.kind);
    ASSERT_TRUE(readBound("a <= b", bound));
    EXPECT_EQ(Bound::Kind::name, bound.kind);
    for (const char* other :
         {"a + 1 > 2", "a > 1e5", "a > 1::bigint", "a LIKE 'x'", "a", "f(a) > 1", "1 < 2", "a > -b"})
        EXPECT_FALSE(readBound(other, bound)) << other;
}

TEST(Condition, ReadsTestsForNull) {
    bool isNull = false;
    ASSERT_TRUE(readNullTest("a IS NULL", isNull));
    EXPECT_TRUE(isNull);
    ASSERT_TRUE(readNullTest("new.a is Not null", isNull));
    EXPECT_FALSE(isNull);
    for (const char* other : {"a", "a IS TRUE", "a IS NOT DISTINCT FROM null", "f(a) IS NULL", "NULL IS NOT b"})
        EXPECT_FALSE(readNullTest(other, isNull)) << other;
    EXPECT_TRUE(isNeverTrue("False"));
    EXPECT_TRUE(isNeverTrue("NULL"));
    EXPECT_FALSE(isNeverTrue("true"));
    EXPECT_FALSE(isNeverTrue("'false'"));
    EXPECT_FALSE(isNeverTrue("\"false\""));
}

}  // namespace

}  // namespace specql::test
