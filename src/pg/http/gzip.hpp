// The only place that knows zlib.
#pragma once

#include <string>

namespace specql::http {

// The bytes in the format of gzip.
std::string gzip(const std::string& bytes);

}  // namespace specql::http
