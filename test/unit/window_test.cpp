// Windows and correlations over time: the vectors of the language, in all modes, with the members in memory and
// outside.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <tuple>

#include "time/window.hpp"
#include "time/window_details.hpp"

namespace specql {

using namespace specql::time;
namespace {

Micros minutes(double count) {
    return static_cast<Micros>(count * 60 * 1000000);
}

WindowTermRule count(int number, double within, Comparison comparison = Comparison::greaterEqual) {
    WindowTermRule term;
    term.number = Decimal(number);
    term.comparison = comparison;
    term.within = minutes(within);
    return term;
}

WindowTermRule aggregate(Aggregate kind, Comparison comparison, const char* number, double within) {
    WindowTermRule term = count(0, within, comparison);
    term.aggregate = kind;
    term.hasField = true;
    EXPECT_TRUE(Decimal::parse(number, term.number));
    return term;
}

WindowRule rule(std::vector<WindowTermRule> terms, const char* formula, AfterMatch after = AfterMatch::consume) {
    WindowRule result;
    result.afterMatch = after;
    EXPECT_TRUE(Formula::parse(formula, static_cast<int>(terms.size()), result.formula));
    result.terms = std::move(terms);
    return result;
}

WindowRule fiveAnHour(AfterMatch after = AfterMatch::consume) {
    return rule({count(5, 60)}, "1", after);
}

// Triggers a, b, c, … within ten minutes.
WindowRule correlation(int triggers, const char* formula, AfterMatch after = AfterMatch::consume) {
    return rule(std::vector<WindowTermRule>(static_cast<size_t>(triggers), count(1, 10)), formula, after);
}

// Runs a rule as the server does: between two events the members may be kept outside, of which only those come back
// that leave the window, and the first of the others.
class Story {
public:
    Story(const WindowRule& rule, bool outside) : rule_(rule), evaluator_(rule_), outside_(outside) {}

    void event(double at, std::vector<WindowValue> values, const std::string& key = "") {
        Kept& kept = keys_.try_emplace(key, Kept{evaluator_.emptyKey(), {}}).first->second;
        std::string id = std::to_string(100000 + ++events_);
        load(kept, minutes(at));
        evaluator_.advance(kept.state, {minutes(at), id, std::move(values)}, matches_);
        store(kept);
    }
    void term(double at, int number, const std::string& key = "") { event(at, {{number, true, ""}}, key); }
    void value(double at, const std::string& text) { event(at, {{0, true, text}}); }
    void pass(double until) {
        for (auto& [name, kept] : keys_) {
            load(kept, minutes(until));
            evaluator_.pass(kept.state, minutes(until), matches_);
            store(kept);
        }
    }

    // Minutes and members of each match: "40:5 …", a timeout with a question mark.
    std::string told() const { return told_; }
    const WindowKey& key(const std::string& name = "") const { return keys_.at(name).state; }
    const WindowMatch& last() const { return last_; }

private:
    struct Kept {
        WindowKey state;
        std::vector<std::vector<WindowEntry>> stored;
    };

    void load(Kept& kept, Micros at) {
        kept.stored.resize(rule_.terms.size());
        kept.state.stored = kept.state.dropStored = false;
        for (size_t i = 0; i < kept.stored.size(); i++) {
            auto& entries = kept.state.terms[i].entries;
            entries.clear();
            for (const WindowEntry& entry : kept.stored[i]) {
                entries.push_back(entry);
                if (outside_) {
                    entries.back().stored = true;
                    kept.state.stored = true;
                    if (entry.at > at - rule_.terms[i].within) break;
                }
            }
        }
    }

    void store(Kept& kept) {
        for (WindowMatch& match : matches_)
            tell(kept, match);
        matches_.clear();
        for (size_t i = 0; i < kept.stored.size(); i++) {
            auto& stored = kept.stored[i];
            if (!outside_ || kept.state.dropStored) stored.clear();
            Micros bound = kept.state.latest == never ? never : kept.state.latest - rule_.terms[i].within;
            while (!stored.empty() && stored.front().at <= bound)
                stored.erase(stored.begin());
            for (const WindowEntry& entry : kept.state.terms[i].entries)
                if (!entry.stored) stored.push_back(entry);
            std::sort(stored.begin(), stored.end(), [](const auto& left, const auto& right) {
                return std::tie(left.at, left.id) < std::tie(right.at, right.id);
            });
            if (!outside_) kept.state.terms[i].entries.clear();
        }
    }

    void tell(const Kept& kept, const WindowMatch& match) {
        std::map<std::string, int> members;
        for (const std::string& id : match.ids)
            members[id]++;
        for (size_t i = 0; match.takesStored && i < kept.stored.size(); i++)
            for (const WindowEntry& entry : kept.stored[i])
                if (entry.at > match.cutoff - rule_.terms[i].within && entry.at <= match.upTo) members[entry.id]++;
        char text[40];
        snprintf(text, sizeof text, "%s%g%s:%zu", told_.empty() ? "" : " ", static_cast<double>(match.at) / 60e6,
                 match.timedOut ? "?" : "", members.size());
        told_ += text;
        last_ = match;
    }

    WindowRule rule_;
    WindowEvaluator evaluator_;
    bool outside_;
    std::map<std::string, Kept> keys_;
    std::vector<WindowMatch> matches_;
    std::string told_;
    WindowMatch last_;
    int events_ = 0;
};

class Windows : public testing::TestWithParam<bool> {
protected:
    // Events of one kind at these minutes.
    std::string at(const WindowRule& rule, const std::vector<double>& times) const {
        Story run(rule, GetParam());
        for (double time : times)
            run.term(time, 0);
        return run.told();
    }
    // "a0 b9.99 c2": triggers and minutes, then time passes until `until`.
    std::string correlate(const WindowRule& rule, const std::string& events, double until = 0) const {
        Story run(rule, GetParam());
        std::istringstream stream(events);
        for (std::string word; stream >> word;)
            run.term(std::stod(word.substr(1)), word[0] - 'a');
        run.pass(until);
        return run.told();
    }
};
INSTANTIATE_TEST_SUITE_P(Members, Windows, testing::Bool(),
                         [](const auto& info) { return info.param ? "outside" : "inside"; });

constexpr AfterMatch modes[] = {AfterMatch::consume, AfterMatch::edge, AfterMatch::every};

TEST_P(Windows, FireWithTheFifthWithinTheHour) {
    for (AfterMatch mode : modes) {
        EXPECT_EQ("40:5", at(fiveAnHour(mode), {0, 10, 20, 30, 40}));
        EXPECT_EQ("", at(fiveAnHour(mode), {0, 15, 30, 45, 60}));
        EXPECT_EQ("59.9:5", at(fiveAnHour(mode), {0, 15, 30, 45, 59.9}));
    }
}

TEST_P(Windows, TellMatchesApartByMode) {
    std::vector<double> ten = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    EXPECT_EQ("4:5 9:5", at(fiveAnHour(AfterMatch::consume), ten));
    EXPECT_EQ("4:5", at(fiveAnHour(AfterMatch::edge), ten));
    EXPECT_EQ("4:5 5:6 6:7 7:8 8:9 9:10", at(fiveAnHour(AfterMatch::every), ten));
}

TEST_P(Windows, OfOneMomentFireOnce) {
    for (AfterMatch mode : modes)
        EXPECT_EQ("0:5", at(fiveAnHour(mode), {0, 0, 0, 0, 0}));
    EXPECT_EQ("0:5 0:5", at(fiveAnHour(), {0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST_P(Windows, HaveAnEdgeAgainAfterTheConditionCeased) {
    // At 100 none of the first five is left; at 61.5 two are gone, and with the second after that there are five again.
    EXPECT_EQ("4:5 104:5", at(fiveAnHour(AfterMatch::edge), {0, 1, 2, 3, 4, 100, 101, 102, 103, 104}));
    EXPECT_EQ("4:5 61.6:5", at(fiveAnHour(AfterMatch::edge), {0, 1, 2, 3, 4, 61.5, 61.6}));
    EXPECT_EQ("4:5", at(fiveAnHour(AfterMatch::edge), {0, 1, 2, 3, 4, 59, 60.5, 61.5}));
}

TEST_P(Windows, KeepKeysApart) {
    Story by(fiveAnHour(), GetParam());
    for (const char* key : {"A", "A", "B", "A", "A"})
        by.term(1, 0, key);
    EXPECT_EQ("", by.told());
    EXPECT_EQ("1:5", at(fiveAnHour(), {1, 1, 1, 1, 1}));
}

TEST_P(Windows, AreQuietWhileTheyCoolDown) {
    WindowRule rule = fiveAnHour();
    rule.cooldown = minutes(30);
    Story run(rule, GetParam());
    for (int i = 0; i < 40; i++)
        run.term(i, 0);
    EXPECT_EQ("4:5 34:5", run.told());
    EXPECT_EQ(2, run.key().matches);
    EXPECT_EQ(6, run.key().suppressed);
}

TEST_P(Windows, CountWhatComesLateAsOfTheLatestTime) {
    EXPECT_EQ("40:5", at(fiveAnHour(), {0, 10, 30, 40, 20}));
    // At 65 the event of minute 3 has left the window, that of minute 6 has not.
    EXPECT_EQ("", at(fiveAnHour(), {20, 30, 40, 65, 3}));
    EXPECT_EQ("65:5", at(fiveAnHour(), {20, 30, 40, 65, 6}));
    // What happened before a match belongs to it.
    EXPECT_EQ("40:5", at(fiveAnHour(), {0, 10, 20, 30, 40, 35, 41, 42, 43, 44}));
    Story run(fiveAnHour(), GetParam());
    run.term(5, 0);
    run.term(4, 0);
    EXPECT_EQ(1, run.key().late);
    EXPECT_EQ(minutes(5), run.key().latest);
}

TEST_P(Windows, SumAndAverageExactly) {
    Story sum(rule({aggregate(Aggregate::sum, Comparison::greater, "0.3", 10)}, "1"), GetParam());
    for (const char* text : {"0.1", "0.2"})
        sum.value(1, text);
    EXPECT_EQ("", sum.told());
    sum.value(2, "0.000000000001");
    EXPECT_EQ("2:3", sum.told());

    Story sliding(rule({aggregate(Aggregate::sum, Comparison::greaterEqual, "100", 10)}, "1", AfterMatch::every),
                  GetParam());
    sliding.value(0, "60");
    sliding.value(5, "30");
    sliding.value(10, "60");
    EXPECT_EQ("", sliding.told());
    sliding.value(14.9, "10");
    EXPECT_EQ("14.9:3", sliding.told());
    sliding.value(15, "20");
    EXPECT_EQ("14.9:3", sliding.told());

    Story average(rule({aggregate(Aggregate::avg, Comparison::less, "-1.5", 10)}, "1"), GetParam());
    average.value(0, "-1");
    average.value(1, "-2");
    EXPECT_EQ("", average.told());
    average.value(2, "-1.6");
    EXPECT_EQ("2:3", average.told());
}

TEST_P(Windows, KnowTheLeastAndTheGreatest) {
    auto told = [&](Aggregate kind, Comparison comparison, const std::vector<std::pair<double, const char*>>& values) {
        Story run(rule({aggregate(kind, comparison, "5", 10)}, "1", AfterMatch::every), GetParam());
        for (const auto& [time, text] : values)
            run.value(time, text);
        return run.told();
    };
    std::vector<std::pair<double, const char*>> values = {{0, "4"}, {1, "5"}, {2, "6"}, {11.5, "5"}, {12, "4"}};
    EXPECT_EQ("2:3 11.5:2", told(Aggregate::max, Comparison::greater, values));
    EXPECT_EQ("1:2 2:3 11.5:2 12:2", told(Aggregate::max, Comparison::greaterEqual, values));
    EXPECT_EQ("0:1", told(Aggregate::max, Comparison::less, values));
    EXPECT_EQ("0:1 1:2 12:2", told(Aggregate::max, Comparison::lessEqual, values));
    EXPECT_EQ("1:2 12:2", told(Aggregate::max, Comparison::equal, values));
    EXPECT_EQ("0:1 2:3 11.5:2", told(Aggregate::max, Comparison::notEqual, values));
    EXPECT_EQ("0:1 1:2 2:3 12:2", told(Aggregate::min, Comparison::less, values));
    EXPECT_EQ("11.5:2", told(Aggregate::min, Comparison::greaterEqual, values));
    EXPECT_EQ("11.5:2", told(Aggregate::min, Comparison::equal, values));
    EXPECT_EQ("", told(Aggregate::min, Comparison::greater, values));
}

TEST_P(Windows, CountDistinctValues) {
    WindowTermRule term = count(3, 10);
    term.distinct = term.hasField = true;
    Story run(rule({term}, "1"), GetParam());
    for (const char* text : {"x", "y", "x", "y"})
        run.value(1, text);
    run.event(2, {{0, false, ""}});
    EXPECT_EQ("", run.told());
    run.value(10.9, "x");
    run.value(11.5, "z");  // y is gone
    EXPECT_EQ("", run.told());
    run.value(12, "y");
    EXPECT_EQ("12:3", run.told());
}

TEST_P(Windows, JoinTermsOfDifferentLengths) {
    WindowRule both = rule({count(2, 10), count(1, 60)}, "1 AND 2");
    Story run(both, GetParam());
    run.term(0, 1);
    run.term(30, 0);
    run.term(45, 0);
    EXPECT_EQ("", run.told());
    run.term(50, 0);
    EXPECT_EQ("50:3", run.told());
    Story either(rule({count(2, 10), count(1, 60)}, "1 OR 2"), GetParam());
    either.term(0, 0);
    either.event(1, {{0, true, ""}, {1, true, ""}});
    EXPECT_EQ("1:2", either.told());
}

TEST_P(Windows, PassOverWhatIsNoNumber) {
    Story run(rule({aggregate(Aggregate::sum, Comparison::greater, "1", 10)}, "1"), GetParam());
    run.value(0, "NaN");
    EXPECT_EQ(1, run.key().unusable);
    run.value(1, "2");
    EXPECT_EQ("1:1", run.told());
}

TEST_P(Windows, CorrelateInAnyOrder) {
    for (AfterMatch mode : modes) {
        EXPECT_EQ("5:2", correlate(correlation(2, "1 AND 2", mode), "a0 b5"));
        EXPECT_EQ("5:2", correlate(correlation(2, "1 AND 2", mode), "b0 a5"));
        EXPECT_EQ("", correlate(correlation(2, "1 AND 2", mode), "a0 b10"));
        EXPECT_EQ("9.99:2", correlate(correlation(2, "1 AND 2", mode), "a0 b9.99"));
        EXPECT_EQ("2:3", correlate(correlation(3, "1 AND (2 OR 3)", mode), "a0 a1 c2"));
        EXPECT_EQ("", correlate(correlation(3, "1 AND (2 OR 3)", mode), "b0 c1"));
    }
    EXPECT_EQ("0:2", correlate(correlation(2, "1 AND 2"), "a0 b0"));
    // Members are used up: the second a has no b of its own.
    EXPECT_EQ("1:2", correlate(correlation(2, "1 AND 2"), "a0 b1 a2"));
    EXPECT_EQ("1:2 2:3", correlate(correlation(2, "1 AND 2", AfterMatch::every), "a0 b1 a2"));
    EXPECT_EQ("1:2", correlate(correlation(2, "1 AND 2", AfterMatch::edge), "a0 b1 a2"));
    Story keys(correlation(2, "1 AND 2"), GetParam());
    keys.term(0, 0, "k1");
    keys.term(1, 1, "k2");
    EXPECT_EQ("", keys.told());
}

TEST_P(Windows, TellOfAbsenceAtTheDeadline) {
    WindowRule absent = correlation(2, "1 AND NOT 2");
    EXPECT_EQ("", correlate(absent, "a0", 9.99));
    EXPECT_EQ("10:1", correlate(absent, "a0", 10));
    EXPECT_EQ("", correlate(absent, "a0 b9.99", 30));
    EXPECT_EQ("10:1", correlate(absent, "a0 b10", 30));
    EXPECT_EQ("", correlate(absent, "b0 a9.99", 30));
    EXPECT_EQ("20:1", correlate(absent, "b0 a10", 30));
    EXPECT_EQ("", correlate(absent, "b0 b1", 30));
    // The second a stands for itself, with what came and did not come around it.
    EXPECT_EQ("10:2", correlate(absent, "a0 a3", 30));
    EXPECT_EQ("22:1", correlate(absent, "a0 b1 a12", 30));
    // A later event lets the deadline pass too.
    EXPECT_EQ("10:1", correlate(absent, "a0 a11", 11));
    // With `edge` an absence that goes on is told once, and again when it has ended in between.
    WindowRule edge = correlation(2, "1 AND NOT 2", AfterMatch::edge);
    EXPECT_EQ("10:2", correlate(edge, "a0 a3", 60));
    EXPECT_EQ("10:2", correlate(edge, "a0 a3 a12 a21 a30", 60));
    EXPECT_EQ("10:1 40:1", correlate(edge, "a0 a30", 60));
    EXPECT_EQ("10:2 40:1", correlate(edge, "a0 a3 b11 a12 a30", 60));
    EXPECT_EQ("10:2 13:2 22:1", correlate(correlation(2, "1 AND NOT 2", AfterMatch::every), "a0 a3 a12", 60));
}

TEST_P(Windows, NeedNoDeadlineWhereNothingIsAwaited) {
    WindowRule some = correlation(3, "1 AND (2 OR NOT 3)");
    EXPECT_EQ("1:2", correlate(some, "a0 b1", 30));
    EXPECT_EQ("10:1", correlate(some, "a0", 30));
    EXPECT_EQ("", correlate(some, "a0 c1", 30));
}

TEST_P(Windows, TellOfWhatWasNotCompletedInTime) {
    WindowRule both = correlation(2, "1 AND 2");
    both.onTimeout = true;
    EXPECT_EQ("5:2", correlate(both, "a0 b5", 30));
    EXPECT_EQ("10?:1", correlate(both, "a0", 30));
    EXPECT_EQ("10?:1 12:2", correlate(both, "a0 a3 b12", 30));
    EXPECT_EQ("10?:1 13?:1", correlate(both, "a0 a3", 30));
}

TEST_P(Windows, ForgetKeysThatCannotMatterAnyMore) {
    WindowRule absent = correlation(2, "1 AND NOT 2");
    WindowEvaluator evaluator(absent);
    WindowKey key = evaluator.emptyKey();
    EXPECT_EQ(never, evaluator.forgottenAfter(key));
    std::vector<WindowMatch> matches;
    evaluator.advance(key, {minutes(1), "x", {{1, true, ""}}}, matches);
    EXPECT_EQ(minutes(21), evaluator.forgottenAfter(key));
}

TEST_P(Windows, DoNotGrowWithWhatTheyHold) {
    Story run(rule({aggregate(Aggregate::sum, Comparison::greater, "1000000", 1000)}, "1"), GetParam());
    for (int i = 0; i < 2000; i++)
        run.value(i, "1");
    EXPECT_EQ(1000, run.key().terms[0].count);
    EXPECT_EQ("1000", run.key().terms[0].sum.text());
}

TEST(Decimal, ReadsAndWrites) {
    auto round = [](const char* text) {
        Decimal value;
        return Decimal::parse(text, value) ? value.text() : std::string("none");
    };
    EXPECT_EQ("0", round("0"));
    EXPECT_EQ("-12.5", round("-12.50"));
    EXPECT_EQ("0.000000000001", round("0.0000000000005"));
    EXPECT_EQ("9999999999999999999999999", round("9999999999999999999999999"));
    EXPECT_EQ("-0.5", round("-.5"));
    for (const char* bad : {"", "-", ".", "1e5", "NaN", "Infinity", "1.2.3", "99999999999999999999999999"})
        EXPECT_EQ("none", round(bad)) << bad;
    Decimal value;
    EXPECT_TRUE(Decimal::parse("-0.5", value));
    EXPECT_EQ(-1, value.floor());
    EXPECT_EQ(0, value.compare(Decimal(0), 7) + 1);
}

TEST(WindowDetails, ReadWhatTheyWrote) {
    WindowKey key;
    key.terms.resize(2);
    key.terms[0].newest = -5;
    key.terms[0].above = 7;
    key.terms[1].distinct = {{"a b; 1:c", -3}, {"", 4}, {" x", 800000000000000}};
    std::string text = writeDetails(key);
    EXPECT_EQ("-5 - - 7; - - - - -3 8:a b; 1:c 4 0: 800000000000000 2: x", text);
    WindowKey read;
    read.terms.resize(2);
    ASSERT_TRUE(readDetails(text, read));
    EXPECT_EQ(text, writeDetails(read));
    for (const char* bad : {"", "1 2 3", "1 2 3 4", "- - - -; - - - - 1 9:x", "- - - -; - - - -;"}) {
        WindowKey other;
        other.terms.resize(2);
        EXPECT_FALSE(readDetails(bad, other)) << bad;
    }
}

TEST(Formula, ReadsWhatTheResolverWrites) {
    Formula formula;
    for (const char* bad : {"", "0", "4", "1 AND", "(1", "1 2", "NOT", "1 XOR 2"})
        EXPECT_FALSE(Formula::parse(bad, 3, formula)) << bad;
    ASSERT_TRUE(Formula::parse("1 AND NOT (2 OR NOT 3)", 3, formula));
    EXPECT_TRUE(formula.uses(1, true));
    EXPECT_TRUE(formula.uses(2, false));
    EXPECT_TRUE(formula.negates());
    auto holds = [&](int bits) { return formula.holds([bits](int term, bool) { return (bits >> term & 1) != 0; }); };
    EXPECT_TRUE(holds(0b101));
    EXPECT_FALSE(holds(0b111));
    EXPECT_FALSE(holds(0b001));
}

TEST(Formula, TellsWhetherItCanHold) {
    auto canHold = [](const char* text) {
        Formula formula;
        EXPECT_TRUE(Formula::parse(text, 12, formula)) << text;
        return formula.canHold();
    };
    EXPECT_TRUE(canHold("1 AND NOT 2"));
    EXPECT_TRUE(canHold("1 AND NOT 1 OR 2"));
    EXPECT_FALSE(canHold("1 AND NOT 1 AND 2"));
    EXPECT_FALSE(canHold("1 AND NOT (2 OR 1)"));
    EXPECT_FALSE(canHold("(1 OR 2) AND NOT 1 AND NOT 2"));
    // Over many terms it is not tried.
    EXPECT_TRUE(canHold("1 AND 2 AND 3 AND 4 AND 5 AND 6 AND 7 AND 8 AND 9 AND 10 AND 11 AND NOT 11"));
}

TEST(Formula, ReadsNoMoreParenthesesThanAStackHolds) {
    Formula formula;
    auto within = [](size_t depth) { return std::string(depth, '(') + "1" + std::string(depth, ')'); };
    EXPECT_TRUE(Formula::parse(within(Formula::deepest), 1, formula));
    EXPECT_FALSE(Formula::parse(within(Formula::deepest + 1), 1, formula));
    EXPECT_FALSE(Formula::parse(within(1000000), 1, formula));
    std::string nots;
    for (int i = 0; i < 1000001; i++)
        nots += "NOT ";
    ASSERT_TRUE(Formula::parse(nots + "1", 1, formula));
    EXPECT_TRUE(formula.uses(0, true));
    EXPECT_TRUE(formula.holds([](int, bool) { return false; }));
}

}  // namespace
}  // namespace specql
