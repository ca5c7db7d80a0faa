// Reads the answers of token servers, and of receivers of batches: JSON of a stranger, where no server of ours is at
// hand to parse it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace specql::delivery {

// The members of an object that are strings, numbers, true, false or null, as texts; null is an empty one. False if the
// text is no JSON object.
bool readMembers(std::string_view json, std::map<std::string, std::string>& members);

// The members of an object as they are written. False if the text is no JSON object.
bool readWrittenMembers(std::string_view json, std::map<std::string, std::string_view>& members);

// The elements of a list as they are written. False if the text is no JSON list.
bool readWrittenElements(std::string_view json, std::vector<std::string_view>& elements);

}  // namespace specql::delivery
