// Which secrets outside of the database services may use.
#pragma once

#include <string_view>

namespace specql::delivery {

// Does a list like "env:WEBHOOK_*, file:/etc/specql/*" allow this source, env:NAME or file:/path? `*` stands for any
// characters but a slash. Never a path with an empty part, `.` or `..`: what is compared must be where it is.
bool allowsSource(std::string_view list, std::string_view source);

}  // namespace specql::delivery
