// What answers to batches say of each call.
#include <gtest/gtest.h>

#include "delivery/batch.hpp"

namespace specql::delivery {
namespace {

struct Read {
    bool perItem;
    std::vector<ItemAnswer> answers;
    std::string problem;
};

Read read(std::string_view json, size_t count) {
    Read result;
    result.perItem = readItemAnswers(json, count, 207, result.answers, result.problem);
    return result;
}

TEST(Batch, AnswersPerItem) {
    Read all = read(R"( { "n": {"results": [1]}, "results" : [ {"id": 7} , {"error": "sold \u0022out\""},
        {"error": {"code": [1, 2]}}, {"status": 422, "error": "no name"}, {"status": 404},
        {"status": 201, "error": "odd"}, {"error": null}, {"error": false, "status": "422"}, null, {"error": ""},
        {"status": 99} ] , "more": true } )",
                    11);
    ASSERT_TRUE(all.perItem);
    EXPECT_EQ(all.problem, "");
    ASSERT_EQ(all.answers.size(), 11U);
    const int statuses[] = {207, 500, 500, 422, 404, 201, 207, 207, 207, 207, 207};
    const char* errors[] = {"",
                            "its result: sold \"out\"",
                            "its result: {\"code\": [1, 2]}",
                            "its result: status 422: no name",
                            "its result: status 404",
                            "",
                            "",
                            "",
                            "",
                            "",
                            ""};
    for (size_t i = 0; i < 11; ++i) {
        EXPECT_EQ(all.answers[i].result.status, statuses[i]) << i;
        EXPECT_EQ(all.answers[i].error, errors[i]) << i;
        EXPECT_EQ(all.answers[i].status, statuses[i] == 500 ? 207 : statuses[i]) << i;
    }
    EXPECT_EQ(all.answers[0].response, R"({"id": 7})");
    EXPECT_EQ(all.answers[8].response, "null");
}

TEST(Batch, AnswersForAll) {
    for (const char* json : {"", "ok", "[]", "{}", "{\"results\": 3}", "{\"results\": [1}", "{\"results\": [1]} x"})
        EXPECT_FALSE(read(json, 1).perItem) << json;
}

TEST(Batch, AnotherNumberOfResultsIsNotUnderstood) {
    EXPECT_EQ(read("{\"results\": []}", 2).problem, "the answer has 0 results for 2 calls");
    EXPECT_EQ(read("{\"results\": [{}, {}, {}]}", 2).problem, "the answer has 3 results for 2 calls");
}

TEST(Batch, AnItemSaysNothingAboutItsService) {
    CallPolicy policy;
    policy.maxAttempts = 3;
    CallResult result = {Ending::answered, 410, -1};
    Decision gone = decideItem(result, policy, 0);
    EXPECT_EQ(gone.verdict, Verdict::dead);
    EXPECT_FALSE(gone.disables);
    result.status = 500;
    Decision failed = decideItem(result, policy, 0);
    EXPECT_EQ(failed.verdict, Verdict::retry);
    EXPECT_FALSE(failed.countsAsFailure);
    policy.attempt = 3;
    EXPECT_EQ(decideItem(result, policy, 0).verdict, Verdict::dead);
}

}  // namespace
}  // namespace specql::delivery
