#include "model/kinds.hpp"

#include <algorithm>
#include <iterator>

namespace specql {

namespace {

// In the order of the enumerations.
constexpr const char* kinds[] = {"schema",       "table",  "constraint", "index", "function", "trigger",
                                 "registration", "window", "service",    "view",  "upkeep"};
constexpr const char* actions[] = {"create", "alter", "replace", "drop", "adopt", "unchanged"};

}  // namespace

const char* toWord(ObjectKind kind) {
    return kinds[static_cast<int>(kind)];
}

bool fromWord(std::string_view word, ObjectKind& kind) {
    const auto* found = std::find(std::begin(kinds), std::end(kinds), word);
    if (found == std::end(kinds)) return false;
    kind = static_cast<ObjectKind>(found - std::begin(kinds));
    return true;
}

const char* toWord(PlanAction action) {
    return actions[static_cast<int>(action)];
}

}  // namespace specql
