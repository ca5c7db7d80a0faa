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

struct Diagnostic {
    Severity severity = Severity::error;
    std::string code;  // stable, "SPQL-Y001"; the whole list with meanings is docs/reference.md
    Pos pos;
    std::string message;  // one sentence, no trailing full stop
    std::string hint;     // what would mend it; may be empty
};

// Collects the problems of one text. Never throws but for lack of memory.
class Diagnostics {
public:
    void error(std::string code, Pos pos, std::string message, std::string hint = {});
    void warning(std::string code, Pos pos, std::string message, std::string hint = {});
    void notice(std::string code, Pos pos, std::string message, std::string hint = {});
    bool hasErrors() const { return errors_ > 0; }
    size_t errorCount() const { return errors_; }
    // Sorted by position; equal positions keep the order in which they were found.
    std::vector<Diagnostic> sorted() const;
    const std::vector<Diagnostic>& all() const { return items_; }
    void append(const Diagnostics& other);

private:
    std::vector<Diagnostic> items_;
    size_t errors_ = 0;
};

}  // namespace specql
