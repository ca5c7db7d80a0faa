#include "text/diagnostic.hpp"

#include <algorithm>
#include <utility>

namespace specql {

namespace {

struct Entry {
    const char* name;
    Severity severity;
    const char* sentence;
    const char* hint;
};

constexpr Entry table[] = {
    {"", Severity::error, "", ""},
#define DIAGNOSTIC(code, severity, sentence, hint) {"SPQL-" #code, Severity::severity, sentence, hint},
#include "diagnostics.def"
#undef DIAGNOSTIC
};

}  // namespace

const char* codeName(Code code) {
    return table[static_cast<size_t>(code)].name;
}

Severity severityOf(Code code) {
    return table[static_cast<size_t>(code)].severity;
}

const char* sentenceOf(Code code) {
    return table[static_cast<size_t>(code)].sentence;
}

const char* hintOf(Code code) {
    return table[static_cast<size_t>(code)].hint;
}

void Diagnostics::report(Code code, Pos pos, std::string message, std::string hint) {
    items_.push_back({severityOf(code), code, pos, std::move(message), std::move(hint)});
    errors_ += severityOf(code) == Severity::error;
}

void Diagnostics::warn(Code code, Pos pos, std::string message, std::string hint) {
    items_.push_back({Severity::warning, code, pos, std::move(message), std::move(hint)});
}

std::vector<Diagnostic> Diagnostics::sorted() const {
    std::vector<Diagnostic> result = items_;
    std::stable_sort(result.begin(), result.end(),
                     [](const Diagnostic& a, const Diagnostic& b) { return a.pos < b.pos; });
    auto repeats = [](const Diagnostic& a, const Diagnostic& b) {
        return a.code == b.code && a.pos == b.pos && a.pos.line > 0 && a.message == b.message && a.hint == b.hint;
    };
    result.erase(std::unique(result.begin(), result.end(), repeats), result.end());
    return result;
}

void Diagnostics::append(const Diagnostics& other) {
    items_.insert(items_.end(), other.items_.begin(), other.items_.end());
    errors_ += other.errors_;
}

}  // namespace specql
