// Text to located trees: the dialect pass, then yaml-cpp's event parser behind every guard there is.
#pragma once

#include <vector>

#include "text/source.hpp"
#include "yaml/node.hpp"

namespace specql::yaml {

// Each is a refusal with its own code. Defaults are the safe ones.
struct Limits {
    size_t bytes = 1 << 20;  // setting specql.max_spec_size; hard ceiling 8 MiB
    size_t depth = 32;
    size_t nodes = 100000;
    size_t documents = 1000;
    size_t scalarBytes = 64 << 10;
    size_t flowOpeners = 4096;  // '[' and '{' bytes
};

// Called now and then from every loop that may run long; throws Interrupted to stop. May be null.
using InterruptCheck = bool (*)();  // true: stop
struct Interrupted {};

// Rewrites the dialect of specs to strict YAML, line by line: characters move within a line, lines never do.
// `documentStarts` gets the line numbers at which a new document begins without a `---`.
std::string dialectToYaml(const Source& source, std::vector<uint32_t>& documentStarts);

struct ParsedText {
    std::vector<Node> documents;  // one root mapping each
};

// `text` must be UTF-8 (the caller converts). Problems go to `diagnostics`; what could be read is returned.
ParsedText parseText(const Source& source, const Limits& limits, Diagnostics& diagnostics, InterruptCheck interrupt);

}  // namespace specql::yaml
