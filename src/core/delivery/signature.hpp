// Standard Webhooks: what is signed, and how keys and signatures are written. The HMAC itself is the caller's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace specql::delivery {

std::string base64(std::string_view bytes);
// The bytes; `valid` is false if `text` is not base64 (padding may be missing).
std::string fromBase64(std::string_view text, bool& valid);

// The bytes of a key: what follows whsec_ is base64, everything else is taken as it is, without a line end at its end.
std::string keyBytes(std::string_view secret);

// "id.timestamp.body"; the timestamp is Unix time in seconds.
std::string stringToSign(std::string_view id, int64_t timestamp, std::string_view body);

// "v1,<base64> v1,<base64>": one for each HMAC, so that a receiver finds its key among several while they rotate.
std::string signatureHeader(const std::vector<std::string>& hmacs);

}  // namespace specql::delivery
