// What the front end read, as text that people can compare. For baseline tests only: the product never needs it.
#pragma once

#include <string>

#include "spec/spec.hpp"
#include "yaml/parse.hpp"

namespace specql::test {

std::string dumpTree(const yaml::ParsedText& parsed);

// `withPlaces`: each text with the line:column at which it stands. Without, two readings of the same unit at different
// places in a text give the same dump.
std::string dumpSpec(const spec::Spec& spec, bool withPlaces = true);

std::string dumpDiagnostics(const Diagnostics& diagnostics);

}  // namespace specql::test
