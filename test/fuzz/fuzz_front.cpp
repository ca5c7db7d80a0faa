// Text to Spec on arbitrary bytes: it must end soon, without a crash, and be right about every place it names.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "spec/read.hpp"

namespace {

using namespace specql::spec;

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace specql;
    using namespace specql::yaml;
    Source source(std::string(reinterpret_cast<const char*>(data), size));
    Diagnostics diagnostics;
    ParsedText parsed = parseText(source, Limits(), diagnostics, nullptr);
    Spec spec = readSpec(source, parsed, "", diagnostics);
    for (const Diagnostic& diagnostic : diagnostics.all()) {
        require(diagnostic.pos.line >= 1 && diagnostic.pos.line <= source.lineCount() && diagnostic.pos.col >= 1);
    }
    render(diagnostics, source);
    for (const Text& expression : spec.expressions) {
        size_t last = expression.offset;
        size_t step = expression.value.size() / 64 + 1;
        for (size_t at = 0; at <= expression.value.size(); at += step) {
            size_t offset = source.offsetOf(expression, at);
            require(offset >= last && offset <= size);
            last = offset;
        }
    }
    require(parsed.documents.empty() == (spec.entities.empty() && spec.rules.empty() && spec.services.empty()) ||
            diagnostics.hasErrors());
    return 0;
}
