// Which secrets outside of the database services may use.
#pragma once

#include <string_view>

namespace specql::delivery {

// Does a list like "env:WEBHOOK_*, file:/etc/specql/*" allow this source, env:NAME or file:/path? `*` stands for any
// characters but a slash. A path with an empty part, `.` or `..` is never allowed, because it may lead elsewhere.
bool allowsSource(std::string_view list, std::string_view source);

}  // namespace specql::delivery
