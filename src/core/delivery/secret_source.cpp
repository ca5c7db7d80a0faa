#include "delivery/secret_source.hpp"

namespace specql::delivery {

namespace {

bool matches(std::string_view pattern, std::string_view text) {
    // Position of the last star, and how far it reaches: if the rest does not match, it is extended by one character.
    size_t at = 0, star = std::string_view::npos, taken = 0, i = 0;
    while (i < text.size()) {
        if (at < pattern.size() && pattern[at] == '*') {
            star = at++;
            taken = i;
        } else if (at < pattern.size() && pattern[at] == text[i]) {
            ++at;
            ++i;
        } else if (star != std::string_view::npos && text[taken] != '/') {
            at = star + 1;
            i = ++taken;
        } else {
            return false;
        }
    }
    while (at < pattern.size() && pattern[at] == '*')
        ++at;
    return at == pattern.size();
}

bool isPlainPath(std::string_view path) {
    if (path.empty() || path.front() != '/') return false;
    while (!path.empty()) {
        path.remove_prefix(1);
        std::string_view part = path.substr(0, path.find('/'));
        if (part.empty() || part == "." || part == "..") return false;
        path.remove_prefix(part.size());
    }
    return true;
}

}  // namespace

bool allowsSource(std::string_view list, std::string_view source) {
    bool isFile = source.substr(0, 5) == "file:";
    if (isFile ? !isPlainPath(source.substr(5)) : source.substr(0, 4) != "env:") return false;
    while (!list.empty()) {
        std::string_view entry = list.substr(0, list.find(','));
        list.remove_prefix(entry.size() < list.size() ? entry.size() + 1 : entry.size());
        while (!entry.empty() && entry.front() == ' ')
            entry.remove_prefix(1);
        while (!entry.empty() && entry.back() == ' ')
            entry.remove_suffix(1);
        // The kind of source must be written out, so a star cannot stand for it.
        size_t kind = isFile ? 5 : 4;
        if (entry.substr(0, kind) == source.substr(0, kind) && matches(entry.substr(kind), source.substr(kind)))
            return true;
    }
    return false;
}

}  // namespace specql::delivery
