// test/bad/yaml-* and spec-*: what the front end alone has to say about them. The server's runner says it again for the
// whole compiler, and for the other areas.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "dump.hpp"
#include "support.hpp"

namespace specql::test {

using namespace specql::spec;
using namespace specql::yaml;

namespace {

namespace fs = std::filesystem;

std::vector<std::string> badSpecs() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(testDirectory() + "/bad")) {
        std::string name = entry.path().stem().string();
        bool isFrontEnd = name.rfind("yaml-", 0) == 0 || name.rfind("spec-", 0) == 0;
        if (isFrontEnd && entry.path().extension() == ".yaml") {
            names.push_back(name);
        }
    }
    std::sort(names.begin(), names.end());
    return names;
}

class BadSpec : public testing::TestWithParam<std::string> {};

TEST_P(BadSpec, IsRefusedWhereItIsWrong) {
    std::string base = testDirectory() + "/bad/" + GetParam();
    FrontEnd read(readFile(base + ".yaml"));
    std::string actual = dumpDiagnostics(read.diagnostics);
    if (std::getenv("UPDATE") != nullptr) {
        std::ofstream(base + ".expected", std::ios::binary) << actual;
    }
    EXPECT_EQ(readFile(base + ".expected"), actual) << render(read.diagnostics, read.source);
    EXPECT_TRUE(read.diagnostics.hasErrors());
    for (const Diagnostic& one : read.diagnostics.all()) {
        EXPECT_FALSE(one.message.empty() || one.message.back() == '.') << one.message;
    }
}

std::string testName(const testing::TestParamInfo<std::string>& info) {
    std::string name = info.param;
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

INSTANTIATE_TEST_SUITE_P(Files, BadSpec, testing::ValuesIn(badSpecs()), testName);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(BadSpec);

}  // namespace

}  // namespace specql::test
