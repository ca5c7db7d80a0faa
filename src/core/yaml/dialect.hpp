// The dialect pass, which rewrites a spec to strict YAML, with all that it finds out for the parser.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "yaml/parse.hpp"

namespace specql::yaml {

// One document: a run of lines that is parsed on its own, so that a slip in one leaves the others readable.
struct DocumentLines {
    uint32_t first = 1;
    uint32_t last = 0;     // less than `first`: no lines
    bool broken = false;   // an error was reported, so it is not parsed
    size_t openQuote = 0;  // offsets in the source, each only if its flag is set
    bool hasOpenQuote = false;
    size_t openFlow = 0;  // the innermost bracket or brace
    bool hasOpenFlow = false;
    size_t longQuoteBegin = 0;  // the last quoted scalar over several lines
    size_t longQuoteEnd = 0;
    bool hasLongQuote = false;
};

struct Dialect {
    std::string text;                // strict YAML: as many lines as the source; columns too, but for indentedLines
    std::vector<size_t> lineStarts;  // of `text`; one more than lines
    std::vector<DocumentLines> documents;
    std::vector<uint32_t> documentStarts;  // lines at which one begins without '---'
    std::vector<uint32_t> messageLines;    // lines where a '_' stands for what YAML would not take for text; ascending
    std::vector<uint32_t> indentedLines;   // lines that were moved to the right by one blank; ascending
};

Dialect readDialect(const Source& source, Diagnostics& diagnostics, InterruptCheck interrupt);

}  // namespace specql::yaml
