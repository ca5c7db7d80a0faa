// Kinds of objects and of steps, and their words in the catalog and in what plan and apply show.
#pragma once

#include <string_view>

namespace specql {

enum class ObjectKind {
    schema,
    table,
    constraint,
    index,
    function,
    trigger,
    registration,
    window,
    service,
    view,
    upkeep
};

const char* toWord(ObjectKind kind);
// False if no kind has that word.
bool fromWord(std::string_view word, ObjectKind& kind);

enum class PlanAction { create, alter, replace, drop, adopt, unchanged };

const char* toWord(PlanAction action);

}  // namespace specql
