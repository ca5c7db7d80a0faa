// Parses a text to located trees: first the dialect pass, then yaml-cpp's event parser, with limits against hostile
// texts.
#pragma once

#include <vector>

#include "text/source.hpp"
#include "yaml/node.hpp"

namespace specql::yaml {

// What is larger is refused; each limit has a diagnostic code of its own.
struct Limits {
    size_t bytes = 1 << 20;  // setting specql.max_spec_size; hard ceiling 8 MiB
    size_t depth = 32;
    size_t nodes = 100000;
    size_t documents = 1000;
    size_t scalarBytes = 64 << 10;
    size_t flowOpeners = 4096;  // '[' and '{' bytes
};

// Called regularly from every loop that may run long; if it returns true, Interrupted is thrown. May be null.
using InterruptCheck = bool (*)();
struct Interrupted {};

// Rewrites the seed's dialect to strict YAML, line by line: characters move within a line, lines never do.
// `documentStarts` gets the line numbers at which a new document begins without a `---`.
std::string dialectToYaml(const Source& source, std::vector<uint32_t>& documentStarts);

struct ParsedText {
    std::vector<Node> documents;  // one root mapping each
};

// `text` must be UTF-8 (the caller converts). Problems go to `diagnostics`; what could be read is returned.
ParsedText parseText(const Source& source, const Limits& limits, Diagnostics& diagnostics, InterruptCheck interrupt);

}  // namespace specql::yaml
