#include "support.hpp"

#include <fstream>
#include <sstream>

namespace specql::test {

using namespace specql::spec;
using namespace specql::yaml;

std::string testDirectory() {
    return SPECQL_TEST_DIRECTORY;
}

std::string readFile(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

const std::vector<std::string>& seedBlocks() {
    static const std::vector<std::string> blocks = [] {
        std::vector<std::string> found;
        for (int i = 1; i <= 5; ++i) {
            found.push_back(readFile(testDirectory() + "/baseline/seed-" + std::to_string(i) + "/input.yaml"));
        }
        return found;
    }();
    return blocks;
}

}  // namespace specql::test
