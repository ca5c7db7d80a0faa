// The events that tests of windows raise: found by running the rule.
#include <gtest/gtest.h>

#include <algorithm>

#include "testgen/window_search.hpp"

namespace specql {

using namespace specql::testgen;
using namespace specql::time;
namespace {

constexpr Micros hour = 3600000000;

WindowTermRule term(Aggregate aggregate, Comparison comparison, const char* number) {
    WindowTermRule result;
    result.aggregate = aggregate;
    result.hasField = aggregate != Aggregate::count;
    result.comparison = comparison;
    EXPECT_TRUE(Decimal::parse(number, result.number));
    result.within = hour;
    return result;
}

WindowRule rule(std::vector<WindowTermRule> terms, const char* formula) {
    WindowRule result;
    EXPECT_TRUE(Formula::parse(formula, static_cast<int>(terms.size()), result.formula));
    result.terms = std::move(terms);
    return result;
}

CountedKind kind(std::vector<int> terms, const char* value = "") {
    CountedKind result;
    for (int term : terms)
        result.values.push_back({term, *value != '\0', value});
    return result;
}

TEST(WindowSearch, CountsUpToTheNumber) {
    WindowRule five = rule({term(Aggregate::count, Comparison::greaterEqual, "5")}, "1");
    std::vector<CountedKind> kinds = {kind({0})};
    WindowFindings search = searchWindow(five, kinds);
    EXPECT_EQ(search.completed.at(0).kinds, Kinds(5, 0));
    EXPECT_FALSE(search.completed.at(0).other);
}

TEST(WindowSearch, GivesUpBeyondFiftyEvents) {
    WindowRule many = rule({term(Aggregate::count, Comparison::greaterEqual, "51")}, "1");
    std::vector<CountedKind> kinds = {kind({0})};
    WindowFindings search = searchWindow(many, kinds);
    EXPECT_TRUE(search.completed.empty());
}

TEST(WindowSearch, FindsBothSidesOfASum) {
    WindowRule sum = rule({term(Aggregate::sum, Comparison::greater, "2500")}, "1");
    std::vector<CountedKind> kinds = {kind({0}, "999"), kind({0}, "625"), kind({0}, "1"), kind({0}, "0")};
    WindowFindings search = searchWindow(sum, kinds);
    EXPECT_EQ(search.completed.at(0).kinds.size(), 3u);
    const Completed& nearest = search.nearest.at(0);
    EXPECT_EQ(nearest.kinds, (Kinds{1, 1, 1, 1, 2}));  // 2501
    EXPECT_EQ(nearest.other, 3u);                      // 2500
}

TEST(WindowSearch, CompletesACorrelationInEveryOrder) {
    WindowTermRule one = term(Aggregate::count, Comparison::greaterEqual, "1");
    WindowRule correlated = rule({one, one, one}, "1 AND (2 OR 3)");
    std::vector<CountedKind> kinds = {kind({0}), kind({1}), kind({2})};
    WindowFindings search = searchWindow(correlated, kinds);
    EXPECT_EQ(search.completed.at(0).kinds, (Kinds{1, 0}));
    EXPECT_EQ(search.completed.at(1).kinds, (Kinds{0, 1}));
    EXPECT_EQ(search.completed.at(2).kinds, (Kinds{0, 2}));
}

TEST(WindowSearch, LetsEachSideOfAnOrMatchByItself) {
    WindowRule either = rule(
        {term(Aggregate::sum, Comparison::greaterEqual, "1000"), term(Aggregate::count, Comparison::greaterEqual, "3")},
        "1 OR 2");
    std::vector<CountedKind> kinds = {kind({0}, "1000"), kind({0, 1}, "500"), kind({0, 1}, "1")};
    WindowFindings search = searchWindow(either, kinds);
    EXPECT_EQ(search.completed.at(0).kinds, Kinds{0});
    EXPECT_EQ(search.completed.at(1).kinds.size(), 3u);
    EXPECT_LE(std::count(search.completed.at(1).kinds.begin(), search.completed.at(1).kinds.end(), 1u), 1);
}

TEST(WindowSearch, RatherEndsWithAnEventThatOnlyOneTermNeeds) {
    WindowRule both =
        rule({term(Aggregate::avg, Comparison::greater, "85"), term(Aggregate::count, Comparison::greaterEqual, "3")},
             "1 AND 2");
    std::vector<CountedKind> kinds = {kind({0, 1}, "85"), kind({0, 1}, "86")};
    WindowFindings search = searchWindow(both, kinds);
    EXPECT_EQ(search.completed.at(1).kinds, (Kinds{0, 1, 0}));
    EXPECT_GT(search.nearest.at(0).kinds.size(), 3u);
}

TEST(WindowSearch, FindsDistinctValues) {
    WindowTermRule distinct = term(Aggregate::count, Comparison::greaterEqual, "3");
    distinct.distinct = distinct.hasField = true;
    WindowRule three = rule({distinct}, "1");
    std::vector<CountedKind> kinds = {kind({0}, "a"), kind({0}, "b"), kind({0}, "c")};
    WindowFindings named = searchWindow(three, kinds);
    EXPECT_EQ(named.completed.at(0).kinds, (Kinds{0, 1, 2}));
    EXPECT_TRUE(named.completed.at(0).other);
    std::vector<CountedKind> others = {kind({0}, "x")};
    others[0].fresh = {0};
    WindowFindings fresh = searchWindow(three, others);
    EXPECT_EQ(fresh.completed.at(0).kinds, Kinds(3, 0));
}

TEST(WindowSearch, FindsWhatDoesNotComeAndWhatPreventsIt) {
    WindowTermRule one = term(Aggregate::count, Comparison::greaterEqual, "1");
    WindowRule absence = rule({one, one}, "1 AND NOT 2");
    std::vector<CountedKind> kinds = {kind({0}), kind({1})};
    WindowFindings search = searchWindow(absence, kinds);
    EXPECT_TRUE(search.completed.empty());
    EXPECT_EQ(search.absent, Kinds{0});
    EXPECT_EQ(search.awaited, (std::map<int, size_t>{{1, 1}}));
}

TEST(WindowSearch, FindsWhatIsNotCompletedInTime) {
    WindowTermRule one = term(Aggregate::count, Comparison::greaterEqual, "1");
    WindowRule both = rule({one, one}, "1 AND 2");
    both.onTimeout = true;
    std::vector<CountedKind> kinds = {kind({0}), kind({1})};
    WindowFindings search = searchWindow(both, kinds);
    EXPECT_EQ(search.completed.at(1).kinds, (Kinds{0, 1}));
    EXPECT_EQ(search.unfinished.size(), 1u);
}

}  // namespace
}  // namespace specql
