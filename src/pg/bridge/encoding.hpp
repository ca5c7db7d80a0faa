// The core works in UTF-8, the server in the encoding of the database. In a UTF-8 database nothing is copied.
#pragma once

#include "pg/compat.hpp"

namespace specql {

// From the database's encoding to UTF-8. Returns its argument, or a copy in the current memory context. Raises an error
// if the text cannot be converted.
const char* toUtf8(const char* text);
// The reverse.
const char* fromUtf8(const char* text);
inline const char* fromUtf8(const std::string& text) {
    return fromUtf8(text.c_str());
}

// From UTF-8 to the database's encoding for messages: never an error, because a character that the encoding lacks
// becomes
// "...", "->" or "?".
const char* displayText(const char* text);
inline const char* displayText(const std::string& text) {
    return displayText(text.c_str());
}

// The byte offset in `utf8` of the character that starts at byte `offset` of the same text in the server's encoding.
size_t utf8Offset(const char* server, const char* utf8, size_t offset);
// The byte offset in `text` (in the server's encoding) of its character number `character`, from 0.
size_t characterOffset(const char* text, int character);

}  // namespace specql
