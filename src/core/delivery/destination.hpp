// Checks of a request before it is sent: its URL, its headers, and whether its address may be called.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace specql::delivery {

struct Url {
    bool https = false;
    std::string host;  // lower case; an IPv6 address without its brackets
    int port = 0;
};

// Parses an http or https URL. Returns what is wrong with it, or an empty text: another scheme, a user name, no host, a
// bad port, spaces, control characters, or anything beyond ASCII.
std::string parseUrl(std::string_view text, Url& url);

// Is it a name that HTTP allows for a header?
bool isHeaderName(std::string_view name);
// Can it stand in a header: no line end, no NUL, no other control character but the tab?
bool isHeaderValue(std::string_view value);

// Is it an address that only this machine or its neighbours have: loopback, private, link-local, unique local,
// multicast, unspecified, shared (100.64/10), benchmark or documentation networks? The bytes are in network order.
bool isPrivateAddress4(const uint8_t* bytes);
// The same for 16 bytes; for an IPv4 address that is mapped or translated into IPv6 the IPv4 address counts.
bool isPrivateAddress6(const uint8_t* bytes);

// Does a list like "localhost:8080, 10.0.0.7, *.internal" name this host? An entry without a port is for all ports.
bool namesHost(std::string_view list, std::string_view host, int port);

}  // namespace specql::delivery
