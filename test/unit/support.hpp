// Shared by the unit tests: running the front end over a text, and files of the test tree.
#pragma once

#include <string>

#include "spec/read.hpp"

namespace specql::test {

struct FrontEnd {
    explicit FrontEnd(const std::string& text, const std::string& defaultSchema = "", const yaml::Limits& limits = {})
        : source(text),
          parsed(yaml::parseText(source, limits, diagnostics, nullptr)),
          spec(spec::readSpec(source, parsed, defaultSchema, diagnostics)) {}

    Diagnostics diagnostics;
    Source source;
    yaml::ParsedText parsed;
    spec::Spec spec;
};

// Directory of the test tree, and the whole of a file in it (an absent file is empty).
std::string testDirectory();
std::string readFile(const std::string& path);

// The specs of test/baseline/seed-*, in order.
const std::vector<std::string>& seedBlocks();

}  // namespace specql::test
