// Hints for words and operators of other languages, which PostgreSQL writes differently.
#pragma once

#include <string_view>

namespace specql::spec {

enum class Habit {
    word,      // a name that nothing has: now
    function,  // a function that there is not: ifnull
    symbol,    // an operator that there is not: ==
    infix,     // a word between two values: contains
    moment,    // a text that a time is read from: 'now'
    key        // a key that a mapping has not: unique in an entity
};

// The hint, or nullptr if there is none. `written` must be in lower case.
const char* habit(Habit kind, std::string_view written);

// The hint for a syntax error at `offset`, or nullptr if there is none.
const char* syntaxHabit(std::string_view text, size_t offset);

}  // namespace specql::spec
