// An error of PostgreSQL's parser or analyser, with what a diagnostic needs.
#pragma once

#include "pg/compat.hpp"

namespace specql::catalog {

// Plain data in the current memory context; texts in UTF-8.
struct ServerMessage {
    const char* text;
    const char* hint;  // PostgreSQL's hint or, if it has none, its detail; may be nullptr
    int offset;        // byte in `expression`, -1 if PostgreSQL did not say
};

// `expression` is the text (in the server's encoding) that error->cursorpos counts in.
ServerMessage describe(const ErrorData* error, const char* expression);

}  // namespace specql::catalog
