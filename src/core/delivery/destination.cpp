#include "delivery/destination.hpp"

#include <algorithm>
#include <cstring>

#include "text/ascii.hpp"

namespace specql::delivery {

namespace {

std::string lower(std::string_view text) {
    std::string result;
    for (char c : text) {
        result += toAsciiLower(c);
    }
    return result;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && isSpace(text.front())) {
        text.remove_prefix(1);
    }
    while (!text.empty() && isSpace(text.back())) {
        text.remove_suffix(1);
    }
    return text;
}

// A port from 1 to 65535; 0 if it is none.
int portNumber(std::string_view text) {
    if (text.empty() || text.size() > 5 || !std::all_of(text.begin(), text.end(), isAsciiDigit)) {
        return 0;
    }
    int port = std::stoi(std::string(text));
    return port <= 65535 ? port : 0;
}

// "host", "host:8080", "[::1]", "[::1]:8080". False if it is none of these. The port stays as it is if none is given.
bool splitAuthority(std::string_view text, std::string& host, int& port) {
    std::string_view rest;
    if (!text.empty() && text.front() == '[') {
        size_t end = text.find(']');
        if (end == std::string_view::npos) {
            return false;
        }
        host = lower(text.substr(1, end - 1));
        rest = text.substr(end + 1);
    } else {
        size_t colon = text.find(':');
        host = lower(text.substr(0, colon));
        rest = colon == std::string_view::npos ? std::string_view() : text.substr(colon);
    }
    if (!rest.empty()) {
        port = rest.front() == ':' ? portNumber(rest.substr(1)) : 0;
        if (port == 0) {
            return false;
        }
    }
    return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
        return isAsciiLower(c) || isAsciiDigit(c) || c == '.' || c == '-' || c == '_' || c == ':';
    });
}

}  // namespace

std::string parseUrl(std::string_view text, Url& url) {
    for (char c : text) {
        if (static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) >= 0x7f) {
            return "it holds a space, a control character or one beyond ASCII";
        }
    }
    std::string start = lower(text.substr(0, 8));
    url.https = start == "https://";
    if (!url.https && start.substr(0, 7) != "http://") {
        return "it must begin with http:// or https://";
    }
    std::string_view rest = text.substr(url.https ? 8 : 7);
    std::string_view authority = rest.substr(0, rest.find_first_of("/?#\\"));
    if (authority.find('@') != std::string_view::npos) {
        return "it holds a user name; credentials belong into a header that names a secret";
    }
    url.port = url.https ? 443 : 80;
    if (!splitAuthority(authority, url.host, url.port)) {
        return "its host or port is malformed";
    }
    if (rest.find('\\') != std::string_view::npos) {
        return "it holds a backslash";
    }
    if (rest.find('#') != std::string_view::npos) {
        return "it holds a fragment (#…), which is not sent";
    }
    return {};
}

bool isHeaderName(std::string_view name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return isAsciiUpper(c) || isAsciiLower(c) || isAsciiDigit(c) ||
               (c != '\0' && std::strchr("!#$%&'*+-.^_`|~", c));
    });
}

bool isHeaderValue(std::string_view value) {
    return std::all_of(value.begin(), value.end(), [](char c) {
        unsigned char byte = static_cast<unsigned char>(c);
        return (byte >= ' ' && byte != 0x7f) || c == '\t';
    });
}

bool isPrivateAddress4(const uint8_t* b) {
    return b[0] == 0 || b[0] == 10 || b[0] == 127 || (b[0] == 100 && (b[1] & 0xc0) == 64) ||
           (b[0] == 169 && b[1] == 254) || (b[0] == 172 && (b[1] & 0xf0) == 16) || (b[0] == 192 && b[1] == 168) ||
           (b[0] == 192 && b[1] == 0 && b[2] == 0) || (b[0] == 192 && b[1] == 0 && b[2] == 2) ||
           (b[0] == 198 && (b[1] & 0xfe) == 18) || (b[0] == 198 && b[1] == 51 && b[2] == 100) ||
           (b[0] == 203 && b[1] == 0 && b[2] == 113) || b[0] >= 224;
}

bool isPrivateAddress6(const uint8_t* b) {
    static const uint8_t zeros[12] = {};
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    static const uint8_t translated[12] = {0, 0x64, 0xff, 0x9b};
    if (std::memcmp(b, mapped, 12) == 0 || std::memcmp(b, zeros, 12) == 0 || std::memcmp(b, translated, 12) == 0) {
        // Among the all-zero ones are :: and ::1, which as IPv4 are in 0/8.
        return isPrivateAddress4(b + 12);
    }
    bool sixToFour = b[0] == 0x20 && b[1] == 0x02;
    bool documentation = b[0] == 0x20 && b[1] == 0x01 && b[2] == 0x0d && b[3] == 0xb8;
    bool teredo = b[0] == 0x20 && b[1] == 0x01 && b[2] == 0 && b[3] == 0;
    return (b[0] & 0xfe) == 0xfc || (b[0] == 0xfe && (b[1] & 0x80) == 0x80) || b[0] == 0xff || documentation ||
           teredo || (sixToFour && isPrivateAddress4(b + 2)) ||
           (b[0] == 0 && b[1] == 0x64 && b[2] == 0xff && b[3] == 0x9b);
}

bool namesHost(std::string_view list, std::string_view host, int port) {
    std::string wanted = lower(host);
    while (!list.empty()) {
        size_t comma = list.find(',');
        std::string_view entry = trimmed(list.substr(0, comma));
        list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
        bool below = entry.substr(0, 2) == "*.";
        std::string name;
        int entryPort = port;
        // An IPv6 address without brackets has more than one colon, and no port.
        if (std::count(entry.begin(), entry.end(), ':') > 1 && entry.front() != '[') {
            name = lower(entry);
        } else if (!splitAuthority(entry.substr(below ? 2 : 0), name, entryPort)) {
            continue;
        }
        bool isHost = below ? wanted.size() > name.size() + 1 &&
                                  wanted.compare(wanted.size() - name.size() - 1, std::string::npos, "." + name) == 0
                            : wanted == name;
        if (isHost && entryPort == port) {
            return true;
        }
    }
    return false;
}

}  // namespace specql::delivery
