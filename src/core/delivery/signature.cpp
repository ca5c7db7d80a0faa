#include "delivery/signature.hpp"

#include <algorithm>

namespace specql::delivery {

namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string base64(std::string_view bytes) {
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (size_t i = 0; i < bytes.size(); i += 3) {
        size_t count = std::min<size_t>(3, bytes.size() - i);
        uint32_t group = 0;
        for (size_t j = 0; j < 3; ++j) {
            group = (group << 8) | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0);
        }
        for (size_t j = 0; j < 4; ++j) {
            text += j <= count ? alphabet[(group >> (18 - 6 * j)) & 63] : '=';
        }
    }
    return text;
}

std::string fromBase64(std::string_view text, bool& valid) {
    while (!text.empty() && text.back() == '=') {
        text.remove_suffix(1);
    }
    std::string bytes;
    uint32_t group = 0;
    int bits = 0;
    valid = text.size() % 4 != 1;
    for (char c : text) {
        size_t value = alphabet.find(c);
        if (value == std::string_view::npos) {
            valid = false;
            return {};
        }
        group = (group << 6) | static_cast<uint32_t>(value);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes += static_cast<char>((group >> bits) & 0xff);
        }
    }
    return bytes;
}

std::string keyBytes(std::string_view secret) {
    while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) {
        secret.remove_suffix(1);
    }
    constexpr std::string_view prefix = "whsec_";
    if (secret.substr(0, prefix.size()) == prefix) {
        bool valid;
        std::string bytes = fromBase64(secret.substr(prefix.size()), valid);
        if (valid) {
            return bytes;
        }
    }
    return std::string(secret);
}

std::string stringToSign(std::string_view id, int64_t timestamp, std::string_view body) {
    std::string text(id);
    text += '.';
    text += std::to_string(timestamp);
    text += '.';
    text += body;
    return text;
}

std::string signatureHeader(const std::vector<std::string>& hmacs) {
    std::string header;
    for (const std::string& hmac : hmacs) {
        header += header.empty() ? "v1," : " v1,";
        header += base64(hmac);
    }
    return header;
}

}  // namespace specql::delivery
