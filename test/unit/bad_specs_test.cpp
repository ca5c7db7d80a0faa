// test/specs: what the front end alone says about the cases of its stages. The server's runner says it again for the
// whole compiler, and for the other stages.
#include <gtest/gtest.h>

#include <cctype>
#include <map>
#include <sstream>

#include "support.hpp"

namespace specql::test {

namespace {

struct Case {
    std::string name;
    std::string text;
    std::string expected;
};

// The parts of a text that lines "=== headline" begin, each with its line.
std::vector<std::pair<std::string, std::string>> parts(const std::string& text) {
    std::vector<std::pair<std::string, std::string>> parts;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.rfind("=== ", 0) == 0) {
            parts.emplace_back(line, "");
        } else if (!parts.empty()) {
            parts.back().second += line + "\n";
        }
    }
    return parts;
}

std::vector<Case> cases() {
    std::vector<Case> cases;
    for (std::string file : {"text", "yaml", "spec-entities", "spec-actions", "spec-steps", "spec-services"}) {
        std::string base = testDirectory() + "/specs/" + file;
        std::map<std::string, std::string> expected;
        for (const auto& [headline, text] : parts(readFile(base + ".expected"))) {
            expected[headline] = text;
        }
        for (const auto& [headline, text] : parts(readFile(base + ".cases"))) {
            cases.push_back({file + headline.substr(3), text, expected[headline]});
        }
    }
    return cases;
}

class BadSpec : public testing::TestWithParam<Case> {};

TEST_P(BadSpec, IsRefusedWhereItIsWrong) {
    FrontEnd read(GetParam().text);
    EXPECT_EQ(GetParam().expected, render(read.diagnostics, read.source) + "\n\n");
    for (const Diagnostic& one : read.diagnostics.all()) {
        EXPECT_FALSE(one.message.empty() || one.message.back() == '.') << one.message;
    }
}

std::string testName(const testing::TestParamInfo<Case>& info) {
    std::string name = info.param.name;
    for (char& c : name) {
        c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
    }
    return name;
}

INSTANTIATE_TEST_SUITE_P(Files, BadSpec, testing::ValuesIn(cases()), testName);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(BadSpec);

}  // namespace

}  // namespace specql::test
