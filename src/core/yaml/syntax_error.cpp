#include "yaml/syntax_error.hpp"

#include <algorithm>
#include <string>

#include "yaml/characters.hpp"

namespace specql::yaml {

namespace {

constexpr const char* quoteHint = "put the value in quotes";

struct ErrorPlace {
    const Source& source;
    const DocumentLines& lines;
    const TreeBuilder& builder;
    size_t offset;
    Pos pos;
};

bool startsWith(const std::string& text, const char* prefix) {
    return text.rfind(prefix, 0) == 0;
}

// A ':' where no mapping can begin. For YAML three mistakes look the same: a key below a key that has a value already,
// a
// ':' inside a value, and text after an unclosed quote.
void reportColon(const ErrorPlace& place, Diagnostics& diagnostics) {
    std::string_view line = place.source.line(place.pos.line);
    size_t begin = line.data() - place.source.text().data();
    std::string_view before = line.substr(0, place.offset - begin);
    size_t start = before.find_first_not_of(" \t-");
    bool isFirstColon = before.find(": ") == std::string_view::npos;
    if (start != std::string_view::npos && isFirstColon) {
        diagnostics.report(Code::Y020, place.source.position(begin + start), "a key cannot stand below a value",
                           "the key above has a value already; for columns to set, end that line with SET");
        return;
    }
    diagnostics.report(Code::Y020, place.pos, "a ':' followed by a blank inside a value", quoteHint);
}

// Something that is neither a further key (item) nor less indented.
void reportMisplaced(const ErrorPlace& place, bool inList, Diagnostics& diagnostics) {
    const std::string& text = place.source.text();
    size_t lineBegin = place.source.line(place.pos.line).data() - text.data();
    std::string_view before = std::string_view(text).substr(lineBegin, place.offset - lineBegin);
    bool behindText = before.find_first_not_of(" \t-") != std::string_view::npos;
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
    std::string what = inList ? "list" : "mapping";
    std::string hint = "items of one list and keys of one mapping stand in one column";
    if (const Node* open = place.builder.openContainer()) {
        hint += "; this " + what + " began on line " + std::to_string(open->pos.line) + ", column " +
                std::to_string(open->pos.col);
    }
    std::string found =
        !inList && place.offset < text.size() && text[place.offset] == '-' ? "a list item" : "this line";
    diagnostics.report(Code::Y021, place.pos, found + " does not fit into the " + what + " above", hint);
}

void reportOpenFlow(const ErrorPlace& place, Diagnostics& diagnostics) {
    Pos opened;
    char bracket = 0;
    if (!place.builder.openFlow(opened, bracket)) {
        diagnostics.report(Code::Y010, place.pos, "a bracket or brace is never closed");
        return;
    }
    std::string close = bracket == '[' ? "]" : "}";
    diagnostics.report(Code::Y010, opened, std::string("this '") + bracket + "' is never closed",
                       "'" + close + "' or ',' was expected on line " + std::to_string(place.pos.line) + ", column " +
                           std::to_string(place.pos.col));
}

void reportOpenQuote(const ErrorPlace& place, Diagnostics& diagnostics) {
    Pos pos = place.lines.hasOpenQuote ? place.source.position(place.lines.openQuote) : place.pos;
    diagnostics.report(Code::Y009, pos);
}

}  // namespace

void reportSyntaxError(const YAML::Exception& error, const Source& source, const DocumentLines& lines,
                       const TreeBuilder& builder, Diagnostics& diagnostics) {
    namespace Msg = YAML::ErrorMsg;
    size_t offset = builder.offsetOf(error.mark);
    ErrorPlace place{source, lines, builder, offset, source.position(offset)};
    const std::string& message = error.msg;

    // A space that YAML does not treat as such, for instance after a colon; YAML may report that only in the next line.
    for (uint32_t line = place.pos.line > 1 ? place.pos.line - 1 : 1; line <= place.pos.line; ++line) {
        if (reportForeignBlankIn(source, line, diagnostics)) {
            return;
        }
    }
    if (message == Msg::EOF_IN_SCALAR || message == Msg::DOC_IN_SCALAR || lines.hasOpenQuote) {
        reportOpenQuote(place, diagnostics);
    } else if (message == Msg::END_OF_MAP_FLOW || message == Msg::END_OF_SEQ_FLOW) {
        reportOpenFlow(place, diagnostics);
    } else if (message == Msg::MAP_VALUE) {
        reportColon(place, diagnostics);
    } else if (message == Msg::END_OF_MAP) {
        reportMisplaced(place, false, diagnostics);
    } else if (message == Msg::END_OF_SEQ) {
        reportMisplaced(place, true, diagnostics);
    } else if (message == Msg::FLOW_END) {
        diagnostics.report(Code::Y010, place.pos, "a closing bracket or brace that nothing opened", quoteHint);
    } else if (message == Msg::BLOCK_ENTRY) {
        diagnostics.report(Code::Y021, place.pos, "a list item cannot begin here",
                           "begin each item on a line of its own");
    } else if (message == Msg::MAP_KEY) {
        diagnostics.report(Code::Y021, place.pos, "a key cannot begin here", "begin each key on a line of its own");
    } else if (startsWith(message, Msg::INVALID_ESCAPE) || message == Msg::INVALID_HEX ||
               startsWith(message, Msg::INVALID_UNICODE)) {
        size_t backslash = source.text().rfind('\\', offset);
        Pos pos = backslash == std::string::npos ? place.pos : source.position(backslash);
        diagnostics.report(Code::Y023, pos);
    } else if (message == Msg::UNKNOWN_TOKEN || message == Msg::CHAR_IN_SCALAR) {
        std::string found = place.offset < source.text().size() ? std::string(1, source.text()[place.offset]) : "";
        diagnostics.report(Code::Y024, place.pos, "a value cannot begin with '" + found + "'", quoteHint);
    } else if (message == Msg::TAB_IN_INDENTATION) {
        diagnostics.report(Code::Y018, place.pos);
    } else if (message == Msg::ZERO_INDENT_IN_BLOCK || message == Msg::CHAR_IN_BLOCK) {
        diagnostics.report(Code::Y025, place.pos);
    } else if (message == Msg::UNKNOWN_ANCHOR || startsWith(message, Msg::UNKNOWN_ANCHOR) ||
               message == Msg::ALIAS_NOT_FOUND || message == Msg::CHAR_IN_ALIAS || message == Msg::ALIAS_CONTENT) {
        diagnostics.report(Code::Y012, place.pos);
    } else if (message == Msg::ANCHOR_NOT_FOUND || message == Msg::CHAR_IN_ANCHOR || message == Msg::MULTIPLE_ANCHORS) {
        diagnostics.report(Code::Y011, place.pos);
    } else if (message == Msg::CHAR_IN_TAG_HANDLE || message == Msg::TAG_WITH_NO_SUFFIX ||
               message == Msg::END_OF_VERBATIM_TAG || message == Msg::MULTIPLE_TAGS) {
        diagnostics.report(Code::Y013, place.pos);
    } else {
        diagnostics.report(Code::Y029, place.pos, "this is not valid YAML: " + message);
    }
}

}  // namespace specql::yaml
