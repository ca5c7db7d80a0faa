// The trace context of the W3C: the value of the header traceparent, which is also found in the comment that
// SQLCommenter appends to a statement.
#pragma once

#include <string_view>

namespace specql::delivery {

constexpr size_t traceparentLength = 55;

// Is it a traceparent? Of versions after 00 the first `traceparentLength` characters count, as of version 00.
bool isTraceparent(std::string_view value);

// The traceparent in the comment at the end of what a client has sent, /*key='value',traceparent='00-...'*/. Empty if
// there is no such comment, if it is no list of keys and values, or if the value is no traceparent.
std::string_view commentedTraceparent(std::string_view sql);

}  // namespace specql::delivery
