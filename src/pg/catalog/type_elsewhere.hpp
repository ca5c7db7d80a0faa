// A type that is not where it was looked for.
#pragma once

#include <string_view>

namespace specql::catalog {

// The hint for a text (in UTF-8, as the result) that begins with the name of an unknown type: a type of that name in a
// schema outside of the search path, as an extension may have it. nullptr if there is none.
const char* typeInOtherSchema(std::string_view text);

}  // namespace specql::catalog
