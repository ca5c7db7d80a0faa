// Positions and diagnostics: what every stage reports about the text a user wrote.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace specql {

// A place in the source text. Lines and columns are 1-based and count characters, not bytes; 0 means "unknown".
struct Pos {
    uint32_t line = 0;
    uint32_t col = 0;
};

inline bool operator==(Pos a, Pos b) {
    return a.line == b.line && a.col == b.col;
}
inline bool operator<(Pos a, Pos b) {
    return a.line != b.line ? a.line < b.line : a.col < b.col;
}

enum class Severity { error, warning, notice };

// What can be said, as core/diagnostics.def lists it.
enum class Code : uint16_t {
    none,
#define DIAGNOSTIC(code, severity, sentence, hint) code,
#include "diagnostics.def"
#undef DIAGNOSTIC
};

// "SPQL-Y001"; stable. "" for none.
const char* codeName(Code code);
Severity severityOf(Code code);
// What it says, and what mends it, in general: with {words} where the report of one problem has names and values.
const char* sentenceOf(Code code);
const char* hintOf(Code code);

struct Diagnostic {
    Severity severity = Severity::error;
    Code code = Code::none;
    Pos pos;
    std::string message;  // one sentence, no trailing full stop
    std::string hint;     // what would mend it; may be empty
};

// Collects the problems of one text. Never throws but for lack of memory.
class Diagnostics {
public:
    void report(Code code, Pos pos, std::string message, std::string hint = {});
    // A problem of which the table says all.
    void report(Code code, Pos pos) { report(code, pos, sentenceOf(code), hintOf(code)); }
    // What is an error elsewhere, where it rests on a guess.
    void warn(Code code, Pos pos, std::string message, std::string hint = {});
    bool hasErrors() const { return errors_ > 0; }
    size_t errorCount() const { return errors_; }
    // Sorted by position; equal positions keep the order in which they were found. What several events of one action
    // make of the same words is said once.
    std::vector<Diagnostic> sorted() const;
    const std::vector<Diagnostic>& all() const { return items_; }
    void append(const Diagnostics& other);

private:
    std::vector<Diagnostic> items_;
    size_t errors_ = 0;
};

}  // namespace specql
