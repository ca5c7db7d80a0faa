// HMAC-SHA256 by PostgreSQL's own implementation.
#pragma once

#include <string>

namespace specql::worker {

// 32 bytes. Throws ServerError if the server cannot compute it.
std::string hmacSha256(const std::string& key, const std::string& text);

}  // namespace specql::worker
