// Whose an error is that the trial of a test's rows meets.
#include "testgen/cause.hpp"

#include <gtest/gtest.h>

namespace specql {

using namespace specql::testgen;
namespace {

const Tested tested{"shop.on_paid", {"shop.trigger_paid_events", "shop.paid_capture", "shop.paid_rows"}, {}};

bool ofTested(const std::string& context, const std::string& message = "no", bool otherwise = false) {
    return isOfTested(tested, message, context, otherwise);
}

TEST(Cause, InnermostFunctionDecides) {
    EXPECT_TRUE(ofTested("PL/pgSQL function shop.trigger_paid_events() line 3 at RAISE"));
    EXPECT_FALSE(
        ofTested("PL/pgSQL function shop.trigger_sane_events() line 3 at RAISE\n"
                 "SQL statement \"UPDATE shop.\"order\" AS t\nSET paid = true\"\n"
                 "PL/pgSQL function shop.trigger_paid_events() line 8 at SQL statement"));
    EXPECT_TRUE(
        ofTested("SQL statement \"INSERT INTO shop.bill\"\n"
                 "PL/pgSQL function shop.trigger_paid_events() line 8 at SQL statement\n"
                 "PL/pgSQL function shop.trigger_sane_events() line 3 at SQL statement"));
}

TEST(Cause, RefusalWithoutReasonIsOfTheTested) {
    Tested right = tested;
    right.contented = {"shop.trigger_sane_events"};
    std::string refuses = "PL/pgSQL function shop.trigger_sane_events() line 3 at RAISE";
    std::string within = "\nPL/pgSQL function shop.trigger_paid_events() line 8 at SQL statement";
    EXPECT_TRUE(isOfTested(right, "no", refuses + within, false));
    EXPECT_FALSE(isOfTested(right, "no", refuses, true));
    EXPECT_FALSE(isOfTested(right, "no", refuses + "\nPL/pgSQL function shop.f() line 1 at PERFORM" + within, true));
}

TEST(Cause, ConditionsNameTheirAction) {
    EXPECT_TRUE(ofTested("condition or values of action shop.on_paid"));
    EXPECT_FALSE(ofTested("condition or values of action shop.on_paid_late"));
}

TEST(Cause, MessageNamesWhatIsMissing) {
    EXPECT_TRUE(ofTested("", "function shop.paid_capture cannot capture events: it does not exist"));
    EXPECT_TRUE(ofTested("", "function shop.trigger_paid_events() does not exist"));
    EXPECT_FALSE(ofTested("", "function shop.paid_capture_2() does not exist"));
}

TEST(Cause, StatementOfTheTestIsNobodys) {
    std::string block = "PL/pgSQL function inline_code_block line 1 at PERFORM";
    EXPECT_FALSE(ofTested(block, "no", false));
    EXPECT_TRUE(ofTested(block, "no", true));
    EXPECT_TRUE(ofTested("SQL statement \"SELECT 1\"\n" + block, "function shop.trigger_paid_events() does not exist"));
}

TEST(Cause, OtherLanguagesNameTheTestedFunction) {
    EXPECT_TRUE(ofTested("PL/pgSQL-Funktion shop.trigger_paid_events() Zeile 3 bei RAISE"));
    EXPECT_FALSE(ofTested("PL/pgSQL-Funktion shop.trigger_sane_events() Zeile 3 bei RAISE"));
}

}  // namespace
}  // namespace specql
