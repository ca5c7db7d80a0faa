#include "yaml/syntax_error.hpp"

#include <algorithm>
#include <string>

#include "yaml/characters.hpp"
#include "yaml/line_scanner.hpp"

namespace specql::yaml {

namespace {

constexpr const char* quoteHint = "put the value in quotes";

struct ErrorPlace {
    const Source& source;
    const DocumentLines& lines;
    const TreeBuilder& builder;
    size_t offset;
    Pos pos;
    std::string_view before;  // what stands before it on its line
    std::string_view rest;    // what stands from it on, to the end of the text

    char found() const { return rest.empty() ? '\0' : rest[0]; }
    // Something that ends with a blank, a line or the text, as the marks of a key, a value and an item do.
    bool isMark(char mark) const {
        return found() == mark &&
               (rest.size() == 1 || std::string_view(" \t\r\n").find(rest[1]) != std::string_view::npos);
    }
    bool isFirstOnLine() const { return before.find_first_not_of(" \t") == std::string_view::npos; }
};

// yaml-cpp's errors have a place and a sentence. The sentence differs between its versions, and decides nothing here:
// what is wrong follows from the place, from what the lines before it left open, and from the tree so far.

// Lines that the dialect moved to the right.
size_t columnsMoved(const Dialect& dialect, uint32_t line) {
    return std::binary_search(dialect.indentedLines.begin(), dialect.indentedLines.end(), line) ? 1 : 0;
}

// What is open at a place of the document, as the scanner of lines sees it.
struct Open {
    char quote = 0;
    bool isHeader = false;  // behind a '|' or '>' on its line
    bool isFlow = false;
    size_t flow = 0;  // offset of the bracket or brace
};

// `column` counts bytes of the line as yaml-cpp sees it.
Open openAt(const Source& source, const Dialect& dialect, const DocumentLines& lines, uint32_t number, size_t column) {
    LineScanner scanner;
    LineScanner::Line last;
    for (uint32_t at = lines.first; at <= std::min(number, lines.last); ++at) {
        size_t begin = dialect.lineStarts[at - 1];
        std::string line = dialect.text.substr(begin, dialect.lineStarts[at] - begin);
        if (!line.empty() && line.back() == '\n') {
            line.pop_back();
        }
        bool isBegin = at == lines.first && line.compare(0, 3, "---") == 0;
        if (isBegin) {
            line.replace(0, 3, "   ");
        }
        if (at == number) {
            line.resize(std::min(column, line.size()));
        }
        last = scanner.next(line, source.line(at).data() - source.text().data());
    }
    Open open;
    open.quote = scanner.openQuote() == LineScanner::none ? char(0) : source.text()[scanner.openQuote()];
    open.isHeader = last.structural && scanner.isInLiteral();
    open.isFlow = scanner.openFlow() != LineScanner::none;
    open.flow = open.isFlow ? scanner.openFlow() : 0;
    return open;
}

// A ':' where no mapping can begin. For YAML three mistakes look the same: a key below a key that has a value already,
// a
// ':' inside a value, and text after an unclosed quote.
void reportColon(const ErrorPlace& place, Diagnostics& diagnostics) {
    size_t start = place.before.find_first_not_of(" \t-");
    bool isFirstColon = place.before.find(": ") == std::string_view::npos;
    if (start != std::string_view::npos && isFirstColon) {
        Pos key = place.source.position(place.offset - place.before.size() + start);
        diagnostics.report(Code::Y020, key, "a key cannot stand below a value",
                           "the key above has a value already; for columns to set, end that line with SET");
        return;
    }
    diagnostics.report(Code::Y020, place.pos, "a ':' followed by a blank inside a value", quoteHint);
}

// Nothing has begun that the place could belong to: it is the first thing of the document, or behind a single value.
void reportRoot(const ErrorPlace& place, Diagnostics& diagnostics) {
    for (uint32_t number = place.lines.first; number <= place.pos.line; ++number) {
        std::string_view line = place.source.line(number);
        size_t begin = line.data() - place.source.text().data();
        bool isMarker = number == place.lines.first && line.substr(0, 3) == "---";
        size_t first = line.find_first_not_of(" \t\xEF\xBB\xBF", isMarker ? 3 : 0);
        bool isContent = first != std::string_view::npos && line[first] != '#';
        if (isContent && begin + first < place.offset) {
            diagnostics.report(Code::Y016, place.source.position(begin + first), "a document cannot be a single value",
                               oneRootHint);
            return;
        }
    }
    diagnostics.report(Code::Y016, place.pos, "a document cannot begin with this", oneRootHint);
}

// Something that is neither a further key (item) nor less indented.
void reportMisplaced(const ErrorPlace& place, Diagnostics& diagnostics) {
    const Node* open = place.builder.openContainer();
    if (open == nullptr) {
        reportRoot(place, diagnostics);
        return;
    }
    size_t lineBegin = place.offset - place.before.size();
    bool behindText = place.before.find_first_not_of(" \t-") != std::string_view::npos;
    if (behindText) {
        bool behindLongQuote = place.lines.hasLongQuote && place.lines.longQuoteEnd >= lineBegin &&
                               place.lines.longQuoteEnd <= place.offset;
        std::string hint = "put the whole value in quotes of the other kind, or double the quote inside";
        if (behindLongQuote) {
            Pos opened = place.source.position(place.lines.longQuoteBegin);
            hint = "the quote opened on line " + std::to_string(opened.line) + " may lack its end";
        }
        diagnostics.report(Code::Y022, place.pos, "text behind the end of a value", hint);
        return;
    }
    bool inList = open->kind == Node::Kind::sequence;
    std::string what = inList ? "list" : "mapping";
    std::string hint = "items of one list and keys of one mapping stand in one column; this " + what +
                       " began on line " + std::to_string(open->pos.line) + ", column " + std::to_string(open->pos.col);
    std::string found = !inList && place.found() == '-' ? "a list item" : "this line";
    diagnostics.report(Code::Y021, place.pos, found + " does not fit into the " + what + " above", hint);
}

void reportOpenFlow(const ErrorPlace& place, size_t flow, Diagnostics& diagnostics) {
    Pos opened = place.source.position(flow);
    char bracket = place.source.text()[flow];
    // The parser knows which one it is in; it may not have come to the place yet.
    place.builder.openFlow(opened, bracket);
    std::string close = bracket == '[' ? "]" : "}";
    diagnostics.report(Code::Y010, opened, std::string("this '") + bracket + "' is never closed",
                       "'" + close + "' or ',' was expected on line " + std::to_string(place.pos.line) + ", column " +
                           std::to_string(place.pos.col));
}

// The backslash of an escape that ends at the place and that YAML does not know; npos if there is none. The digits of
// one in hexadecimal may have taken the closing quote for one of theirs, and the line end behind it.
size_t badEscape(const ErrorPlace& place, const Dialect& dialect, char openQuote) {
    if (place.offset == 0) {
        return std::string::npos;
    }
    const std::string& text = place.source.text();
    size_t backslash = text.rfind('\\', place.offset - 1);
    if (openQuote == '"' || backslash == std::string::npos || place.offset - backslash > 12) {
        return openQuote == '"' ? backslash : std::string::npos;
    }
    char kind = text[backslash + 1];
    size_t digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
    size_t known = text.find_first_not_of("0123456789abcdefABCDEF", backslash + 2) - (backslash + 2);
    uint32_t line = place.source.position(backslash).line;
    size_t column = backslash - (place.source.line(line).data() - text.data()) + columnsMoved(dialect, line);
    bool isQuoted = openAt(place.source, dialect, place.lines, line, column).quote == '"';
    return known < digits && isQuoted ? backslash : std::string::npos;
}

// The sign of an anchor, an alias or a tag of which the place is a part; 0 if it is none.
char propertyAt(const ErrorPlace& place) {
    size_t blank = place.before.find_last_of(" \t[{,");
    std::string_view word = blank == std::string_view::npos ? place.before : place.before.substr(blank + 1);
    char first = word.empty() ? place.found() : word[0];
    return first == '&' || first == '*' || first == '!' ? first : char(0);
}

}  // namespace

void reportSyntaxError(const YAML::Mark& mark, const Source& source, const Dialect& dialect, const DocumentLines& lines,
                       const TreeBuilder& builder, Diagnostics& diagnostics) {
    size_t offset = builder.offsetOf(mark);
    Pos pos = source.position(offset);
    size_t lineBegin = source.line(pos.line).data() - source.text().data();
    std::string_view text = source.text();
    ErrorPlace place{
        source, lines, builder, offset, pos, text.substr(lineBegin, offset - lineBegin), text.substr(offset)};

    // A space that YAML does not treat as such, for instance after a colon; YAML may report that only in the next line.
    for (uint32_t line = pos.line > 1 ? pos.line - 1 : 1; line <= pos.line; ++line) {
        if (reportForeignBlankIn(source, line, diagnostics)) {
            return;
        }
    }
    if (lines.hasOpenQuote) {
        diagnostics.report(Code::Y009, source.position(lines.openQuote));
        return;
    }
    Open open = openAt(source, dialect, lines, lines.first + static_cast<uint32_t>(std::max(mark.line, 0)),
                       static_cast<size_t>(std::max(mark.column, 0)));
    size_t escape = badEscape(place, dialect, open.quote);
    char property = propertyAt(place);
    if (escape != std::string::npos) {
        diagnostics.report(Code::Y023, source.position(escape));
    } else if (open.isHeader) {
        diagnostics.report(Code::Y025, pos);
    } else if (place.found() == '\t' && place.isFirstOnLine()) {
        diagnostics.report(Code::Y018, pos);
    } else if (property == '*') {
        diagnostics.report(Code::Y012, pos);
    } else if (property == '&') {
        diagnostics.report(Code::Y011, pos);
    } else if (property == '!') {
        diagnostics.report(Code::Y013, pos);
    } else if (place.found() == ']' || place.found() == '}') {
        diagnostics.report(Code::Y010, pos, "a closing bracket or brace that nothing opened", quoteHint);
    } else if (place.found() != '\0' &&
               std::string_view(open.isFlow ? "@`%#|>" : "@`%#").find(place.found()) != std::string_view::npos) {
        diagnostics.report(Code::Y024, pos, std::string("a value cannot begin with '") + place.found() + "'",
                           quoteHint);
    } else if (place.isMark('-') && (open.isFlow || !place.isFirstOnLine())) {
        diagnostics.report(Code::Y021, pos, "a list item cannot begin here", "begin each item on a line of its own");
    } else if (open.isFlow) {
        reportOpenFlow(place, open.flow, diagnostics);
    } else if (place.isMark('?') && !place.isFirstOnLine()) {
        diagnostics.report(Code::Y021, pos, "a key cannot begin here", "begin each key on a line of its own");
    } else if (lines.first + static_cast<uint32_t>(std::max(mark.line, 0)) > lines.last) {
        // Blocks end with the text; what else is open there is a quote that the scanner of lines took for text.
        diagnostics.report(Code::Y009, pos);
    } else if (place.isMark(':')) {
        reportColon(place, diagnostics);
    } else {
        reportMisplaced(place, diagnostics);
    }
}

}  // namespace specql::yaml
