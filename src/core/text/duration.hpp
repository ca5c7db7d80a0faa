// Lengths of time as people write them in a spec.
#pragma once

#include <cstdint>
#include <string_view>

namespace specql {

// "10 s", "500ms", "1.5 min", "2 hours" in milliseconds; -1 if it is no length of time. A number alone is seconds.
int64_t durationMs(std::string_view text);

// Is the text a number without a unit, which a reader may take for seconds or for minutes?
bool lacksUnit(std::string_view text);

}  // namespace specql
