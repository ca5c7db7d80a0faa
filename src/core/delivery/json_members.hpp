// Reads the answers of token servers: flat JSON objects of a stranger, where no server of ours is at hand to parse
// them.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace specql::delivery {

// The members of an object that are strings, numbers, true, false or null, as texts; null is an empty one. False if the
// text is no JSON object.
bool readMembers(std::string_view json, std::map<std::string, std::string>& members);

}  // namespace specql::delivery
