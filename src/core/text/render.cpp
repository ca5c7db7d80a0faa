#include <string>

#include "text/source.hpp"
#include "text/utf8.hpp"

namespace specql {

namespace {

// A line longer than this is shown as a window around the caret: minified specs exist.
constexpr size_t shownWidth = 160;

struct Picture {
    std::string line;
    std::string caret;
};

// The line and the blanks that bring a caret under character `col`. Tabs stay tabs on both lines, so they line up
// whatever the terminal's tab width; what must not reach a terminal or a log is replaced.
Picture draw(std::string_view line, uint32_t col) {
    Picture picture;
    size_t skipped = col > shownWidth ? col - shownWidth / 2 : 0;
    if (skipped > 0) {
        picture.line = "…";
        picture.caret = " ";
    }
    uint32_t current = 0;
    size_t shown = 0;
    for (size_t at = 0; at < line.size();) {
        char32_t codePoint = decodeUtf8(line, at);
        if (codePoint == 0xFEFF) {
            continue;
        }
        ++current;
        if (current <= skipped) {
            continue;
        }
        if (shown++ == shownWidth) {
            picture.line += "…";
            break;
        }
        bool unshowable =
            codePoint == invalidCodePoint || codePoint == '\r' || (isForbidden(codePoint) && codePoint != '\t');
        if (unshowable) {
            codePoint = 0xFFFD;
        }
        appendUtf8(picture.line, codePoint);
        if (current < col) {
            if (codePoint == '\t') {
                picture.caret += '\t';
            } else {
                picture.caret.append(displayWidth(codePoint), ' ');
            }
        }
    }
    for (; current + 1 < col; ++current) {
        picture.caret += ' ';
    }
    picture.caret += '^';
    return picture;
}

const char* severityPrefix(Severity severity) {
    switch (severity) {
        case Severity::error: return "";
        case Severity::warning: return "warning: ";
        case Severity::notice: return "notice: ";
    }
    return "";
}

}  // namespace

std::string render(const Diagnostic& diagnostic, const Source& source) {
    std::string out;
    bool hasPlace = diagnostic.pos.line > 0;
    if (hasPlace) {
        out += "line " + std::to_string(diagnostic.pos.line) + ", column " + std::to_string(diagnostic.pos.col) + ": ";
    }
    out += severityPrefix(diagnostic.severity);
    out += diagnostic.message;
    out += std::string(" [") + codeName(diagnostic.code) + "]";
    if (hasPlace) {
        Picture picture = draw(source.line(diagnostic.pos.line), diagnostic.pos.col);
        out += "\n    " + picture.line + "\n    " + picture.caret;
    }
    if (!diagnostic.hint.empty()) {
        out += "\n  hint: " + diagnostic.hint;
    }
    return out;
}

std::string render(const Diagnostics& diagnostics, const Source& source, size_t limit) {
    std::string out;
    std::vector<Diagnostic> items = diagnostics.sorted();
    for (size_t i = 0; i < items.size(); ++i) {
        if (i > 0) {
            out += "\n\n";
        }
        if (i == limit) {
            out += "… and " + std::to_string(items.size() - limit) + " more";
            break;
        }
        out += render(items[i], source);
    }
    return out;
}

}  // namespace specql
