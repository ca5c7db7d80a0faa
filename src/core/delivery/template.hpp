// Texts of a request with keys of its payload in braces: /customers/{customer_id}. `{{` and `}}` stand for braces.
//
// All types here are plain, and nothing allocates: whoever fills a template in looks values up in the server, whose
// errors jump over C++ objects.
#pragma once

#include <cstddef>
#include <string_view>

namespace specql::delivery {

struct TemplatePart {
    enum class Kind { text, key, end, bad };
    Kind kind = Kind::end;
    std::string_view text;          // as it stands; a key without its braces; what is bad, up to the end
    const char* problem = nullptr;  // of what is bad
};

// The part that begins at `offset`, which is moved behind it.
TemplatePart nextPart(std::string_view text, size_t& offset);

// What is wrong with a template and where, or nullptr.
const char* templateProblem(std::string_view text, size_t& offset);

// Does the text hold a brace, so that it has to be read as a template?
bool hasBraces(std::string_view text);

// The part of a key before the first dot, which is taken away with the dot: "new.id" is id in new.
std::string_view firstName(std::string_view& key);

enum class Place {
    path,    // of a URL, up to its question mark, and behind it
    query,   // name or value of a parameter
    header,  // value of a header
};

// The value of a key.
struct TemplateValue {
    enum class Kind { missing, single, composite };
    Kind kind = Kind::missing;
    std::string_view text;  // of an object or a list: as JSON
};

struct Filled {
    enum class State {
        done,
        leftOut,  // a value is missing, and its parameter or header is to be left out
        missing,  // in a path, which nothing can be left out of
        empty,    // a path would be that of another thing: of all of them, say
        notOne,   // an object or a list in a path
        dots,     // a segment of a path that leads upwards
        control,  // a header would hold a line end or another control character
    };
    State state = State::done;
    size_t length = 0;     // of what was written
    std::string_view key;  // whose value is refused
};

// How many bytes a template can become with values that have `valueBytes` together.
size_t filledBound(std::string_view text, size_t valueBytes);

// Writes the template with `values` for its keys, in their order, each encoded for its place, to `to`. The template
// must be a good one.
Filled fillTemplate(std::string_view text, Place place, const TemplateValue* values, char* to);

// Writes the text encoded for a URL, where a byte takes up to three; returns the length.
size_t percentEncode(std::string_view text, char* to);

}  // namespace specql::delivery
