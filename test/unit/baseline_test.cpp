// test/baseline/<case>/input.yaml against tree.txt and spec.txt. UPDATE=1 in the environment writes them anew; what
// changed is then for a person to read in the diff.
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

std::vector<std::string> baselineCases() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(testDirectory() + "/baseline")) {
        if (entry.is_directory()) {
            names.push_back(entry.path().filename().string());
        }
    }
    std::sort(names.begin(), names.end());
    return names;
}

void compare(const std::string& path, const std::string& actual) {
    if (std::getenv("UPDATE") != nullptr) {
        std::ofstream(path, std::ios::binary) << actual;
        return;
    }
    EXPECT_EQ(readFile(path), actual) << path;
}

class Baseline : public testing::TestWithParam<std::string> {};

TEST_P(Baseline, Matches) {
    std::string directory = testDirectory() + "/baseline/" + GetParam() + "/";
    FrontEnd read(readFile(directory + "input.yaml"), "inventory");
    compare(directory + "tree.txt", dumpTree(read.parsed));
    std::string problems = read.diagnostics.all().empty() ? "" : render(read.diagnostics, read.source) + "\n";
    compare(directory + "spec.txt", dumpSpec(read.spec) + problems);
}

std::string testName(const testing::TestParamInfo<std::string>& info) {
    std::string name = info.param;
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

INSTANTIATE_TEST_SUITE_P(Cases, Baseline, testing::ValuesIn(baselineCases()), testName);

}  // namespace

}  // namespace specql::test
