// Characters that make a name look like another one.
#pragma once

#include "yaml/node.hpp"

namespace specql::yaml {

// Reports invisible characters, and spaces that YAML does not treat as such, in keys, names and expressions of a
// document, and warns of words that mix Latin letters with similar letters of another script. Quoted texts,
// descriptions and messages are not checked.
void checkCharacters(const Node& document, const Source& source, Diagnostics& diagnostics);

bool startsWithForeignBlank(std::string_view text);
void reportForeignBlank(const Source& source, size_t offset, Diagnostics& diagnostics);
// Reports the first such space of a line that is not in quotes; false if there is none.
bool reportForeignBlankIn(const Source& source, uint32_t line, Diagnostics& diagnostics);

}  // namespace specql::yaml
