// The core works in UTF-8, the server in the encoding of the database. In a UTF-8 database nothing is copied.
#pragma once

#include "pg/compat.hpp"

namespace specql {

// From the database's encoding to UTF-8; may return its argument. An error if the text cannot be converted.
const char* toUtf8(const char* text);
// From UTF-8 to the database's encoding; may return its argument.
const char* fromUtf8(const char* text);
inline const char* fromUtf8(const std::string& text) {
    return fromUtf8(text.c_str());
}

// The same for messages to people: a character that the database's encoding lacks becomes "...", "->" or "?".
const char* shown(const char* text);
inline const char* shown(const std::string& text) {
    return shown(text.c_str());
}

// The byte offset in `utf8` of the character that starts at byte `offset` of the same text in the server's encoding.
size_t utf8Offset(const char* server, const char* utf8, size_t offset);
// The byte offset in `text` (in the server's encoding) of its character number `character`, from 0.
size_t characterOffset(const char* text, int character);

}  // namespace specql
