#include "delivery/template.hpp"

#include <algorithm>
#include <cstring>

#include "delivery/destination.hpp"
#include "text/ascii.hpp"

namespace specql::delivery {

namespace {

bool isKeyPart(char c) {
    return isNamePart(c) || c == '-';
}

// Names with dots between them.
bool isKey(std::string_view text) {
    bool named = false;
    for (char c : text) {
        if (c != '.' && !isKeyPart(c)) return false;
        if (c == '.' && !named) return false;
        named = c != '.';
    }
    return named;
}

TemplatePart bad(std::string_view text, const char* problem) {
    TemplatePart part;
    part.kind = TemplatePart::Kind::bad;
    part.text = text;
    part.problem = problem;
    return part;
}

TemplatePart good(TemplatePart::Kind kind, std::string_view text) {
    TemplatePart part;
    part.kind = kind;
    part.text = text;
    return part;
}

// Receivers read %2e as a dot.
bool leadsUpwards(std::string_view segment) {
    int dots = 0;
    while (!segment.empty()) {
        bool encoded = segment.substr(0, 3) == "%2e" || segment.substr(0, 3) == "%2E";
        if (!encoded && segment.front() != '.') return false;
        segment.remove_prefix(encoded ? 3 : 1);
        ++dots;
    }
    return dots == 1 || dots == 2;
}

// What is wrong with a value in its place.
Filled::State stateOf(Place place, const TemplateValue& value) {
    bool inPath = place == Place::path;
    if (value.kind == TemplateValue::Kind::missing) return inPath ? Filled::State::missing : Filled::State::leftOut;
    if (inPath && value.kind == TemplateValue::Kind::composite) return Filled::State::notOne;
    if (inPath && value.text.empty()) return Filled::State::empty;
    if (place == Place::header && !isHeaderValue(value.text)) return Filled::State::control;
    return Filled::State::done;
}

// A segment of a path, from its start in what was written.
struct Segment {
    size_t start = 0;
    std::string_view key;  // the last one in it

    bool escapes(std::string_view written) const { return !key.empty() && leadsUpwards(written.substr(start)); }
};

}  // namespace

TemplatePart nextPart(std::string_view text, size_t& offset) {
    std::string_view rest = text.substr(std::min(offset, text.size()));
    if (rest.empty()) return {};
    char first = rest.front();
    if (first != '{' && first != '}') {
        std::string_view plain = rest.substr(0, rest.find_first_of("{}"));
        offset += plain.size();
        return good(TemplatePart::Kind::text, plain);
    }
    if (rest.size() > 1 && rest[1] == first) {
        offset += 2;
        return good(TemplatePart::Kind::text, rest.substr(0, 1));
    }
    if (first == '}') return bad(rest, "this } has no { before it; }} stands for a brace");
    size_t end = rest.find('}');
    if (end == std::string_view::npos) return bad(rest, "this { has no } behind it; {{ stands for a brace");
    std::string_view key = rest.substr(1, end - 1);
    if (!isKey(key))
        return bad(rest, "between braces stands a key of the payload, as in {order_id}; {{ stands for a brace");
    offset += end + 1;
    return good(TemplatePart::Kind::key, key);
}

const char* templateProblem(std::string_view text, size_t& offset) {
    offset = 0;
    for (;;) {
        TemplatePart part = nextPart(text, offset);
        if (part.kind == TemplatePart::Kind::end) return nullptr;
        if (part.kind == TemplatePart::Kind::bad) return part.problem;
    }
}

bool hasBraces(std::string_view text) {
    return text.find_first_of("{}") != std::string_view::npos;
}

std::string_view firstName(std::string_view& key) {
    size_t dot = key.find('.');
    std::string_view name = key.substr(0, dot);
    key = dot == std::string_view::npos ? std::string_view() : key.substr(dot + 1);
    return name;
}

size_t percentEncode(std::string_view text, char* to) {
    const char* digits = "0123456789ABCDEF";
    size_t length = 0;
    for (char c : text) {
        if (isAsciiUpper(c) || isAsciiLower(c) || isAsciiDigit(c) || c == '-' || c == '.' || c == '_' || c == '~') {
            to[length++] = c;
            continue;
        }
        auto byte = static_cast<unsigned char>(c);
        to[length++] = '%';
        to[length++] = digits[byte >> 4];
        to[length++] = digits[byte & 15];
    }
    return length;
}

size_t filledBound(std::string_view text, size_t valueBytes) {
    return 3 * (text.size() + valueBytes);
}

Filled fillTemplate(std::string_view text, Place place, const TemplateValue* values, char* to) {
    Filled filled;
    Segment segment;
    bool inSegments = place == Place::path;
    auto endSegment = [&](size_t start) {
        if (inSegments && segment.escapes({to, filled.length})) {
            filled.state = Filled::State::dots;
            filled.key = segment.key;
        }
        segment.start = start;
        segment.key = {};
    };
    size_t offset = 0;
    for (;;) {
        TemplatePart part = nextPart(text, offset);
        if (part.kind == TemplatePart::Kind::text) {
            if (place == Place::query) {
                filled.length += percentEncode(part.text, to + filled.length);
                continue;
            }
            for (char c : part.text) {
                bool ends = c == '/' || c == '?';
                if (ends) endSegment(filled.length + 1);
                if (c == '?') inSegments = false;
                to[filled.length++] = c;
            }
        } else if (part.kind == TemplatePart::Kind::key) {
            const TemplateValue& value = *values++;
            Filled::State state = stateOf(place, value);
            if (state != Filled::State::done && filled.state == Filled::State::done) {
                filled.state = state;
                filled.key = part.text;
            }
            if (state != Filled::State::done) continue;
            segment.key = part.text;
            if (place == Place::header) {
                std::memcpy(to + filled.length, value.text.data(), value.text.size());
                filled.length += value.text.size();
            } else {
                filled.length += percentEncode(value.text, to + filled.length);
            }
        } else {
            break;
        }
    }
    endSegment(filled.length);
    return filled;
}

}  // namespace specql::delivery
