// Whose an error is that a test's rows meet when they are tried: of what is tested, which must let the test fail, or of
// the rules and constraints of others, for which it is skipped.
#pragma once

#include <string>
#include <vector>

#include "resolve/resolver.hpp"

namespace specql::testgen {

// What a test is about, as errors name it.
struct Tested {
    std::string action;                  // inventory.on_stock_change
    std::vector<std::string> functions;  // inventory.trigger_stock_change_events, …
    std::vector<std::string> contented;  // functions of others that do not refuse what these do, if they do it right
};
Tested testedOf(const resolve::ResolvedAction& action);

// `context` has a line for each level, the innermost first, as lc_messages = C words them. `otherwise` is the answer if
// neither message nor context names anybody.
bool isOfTested(const Tested& tested, const std::string& message, const std::string& context, bool otherwise);

}  // namespace specql::testgen
