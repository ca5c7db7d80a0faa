// The state of a key besides counts and sums, as a text: term by term, separated by semicolons, the times of the
// newest event and of the newest values below, at and above the number ("-" for never), then the distinct values, each
// as time, length in bytes and value: "800000000 - - -; 1 - - - 1 3:abc".
#pragma once

#include <string>
#include <string_view>

#include "time/window.hpp"

namespace specql::time {

std::string writeDetails(const WindowKey& key);
// Reads it into a key that has its terms; false if the text is not understood.
bool readDetails(std::string_view text, WindowKey& key);

}  // namespace specql::time
