// Characters that make a name look like another one.
#pragma once

#include "yaml/node.hpp"

namespace specql::yaml {

// Refuses what cannot be seen, or looks like a blank and is none, in keys, names and expressions of a document, and
// warns of words that mix Latin letters with those of a script that looks alike. Texts in quotes, descriptions and
// messages may hold anything.
void checkCharacters(const Node& document, const Source& source, Diagnostics& diagnostics);

bool startsWithForeignBlank(std::string_view text);
void reportForeignBlank(const Source& source, size_t offset, Diagnostics& diagnostics);
// The first one of a line outside of quotes; false if there is none.
bool reportForeignBlankIn(const Source& source, uint32_t line, Diagnostics& diagnostics);

}  // namespace specql::yaml
