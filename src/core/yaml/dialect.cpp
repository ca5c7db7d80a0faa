#include "yaml/dialect.hpp"

#include <algorithm>
#include <utility>

#include "text/ascii.hpp"
#include "yaml/characters.hpp"
#include "yaml/line_scanner.hpp"

namespace specql::yaml {

namespace {

// Is `word` (in capitals) at `at`, in any case and as a whole word?
bool isWordAt(std::string_view text, size_t at, std::string_view word) {
    if (text.size() - at < word.size() || (text.size() - at > word.size() && isNamePart(text[at + word.size()]))) {
        return false;
    }
    for (size_t i = 0; i < word.size(); ++i) {
        if (toAsciiLower(text[at + i]) != toAsciiLower(word[i])) {
            return false;
        }
    }
    return true;
}

bool isMarker(std::string_view line, std::string_view marker) {
    return line.substr(0, 3) == marker && (line.size() == 3 || isSpaceOrTab(line[3]));
}

// The begin of the word after the one at `at`; the end of the text if there is none.
size_t nextWord(std::string_view text, size_t at) {
    size_t end = std::min(text.find_first_of(" \t", at), text.size());
    return std::min(text.find_first_not_of(" \t", end), text.size());
}

// "InventoryEvent SET", "Account VIA debit SET", "Stock ON (product, place) SET", "reminder AFTER 2 days SET": a name,
// perhaps the way to the row, what its key is, or when it comes, and the word; nothing else.
bool isTargetWithSet(std::string_view value) {
    size_t word = nextWord(value, 0);
    if (word < value.size() && isWordAt(value, word, "VIA")) {
        word = nextWord(value, nextWord(value, word));
    }
    if (word < value.size() && isWordAt(value, word, "ON")) {
        word = nextWord(value, std::min(value.find(')', word), value.size()));
    }
    if (word < value.size() && isWordAt(value, word, "AFTER")) {
        word = std::max(word, value.find_last_of(" \t") + 1);
    }
    return value.size() - word == 3 && isWordAt(value, word, "SET");
}

// Whether a name and a text in quotes stand behind this key.
bool hasMessage(std::string_view key) {
    return key == "call_external" || key == "notify" || key == "escalate";
}

// `crm "add_customer" SET`: a name, a text, and the word.
bool isTextWithSet(std::string_view key, std::string_view value) {
    return hasMessage(key) && value.size() > 4 && isSpaceOrTab(value[value.size() - 4]) &&
           isWordAt(value, value.size() - 3, "SET");
}

// The text between quotes that stands behind the name at `at`: [begin, end). False if there is none on this line.
bool findMessage(std::string_view line, size_t at, size_t& begin, size_t& end) {
    while (at < line.size() && !isSpaceOrTab(line[at])) {
        at = line[at] == '{' ? std::min(line.find('}', at), line.size() - 1) + 1 : at + 1;
    }
    at = std::min(line.find_first_not_of(" \t", at), line.size());
    if (at >= line.size() || (line[at] != '"' && line[at] != '\'')) {
        return false;
    }
    begin = at + 1;
    for (end = begin; end < line.size(); ++end) {
        if (line[end] != line[at]) {
            continue;
        }
        if (end + 1 >= line.size() || line[end + 1] != line[at]) {
            return true;
        }
        ++end;
    }
    return false;
}

// "  product_id: …" or `  "product_id": …`.
bool isKeyLine(std::string_view line, size_t indent) {
    size_t at = indent;
    if (line[at] == '"' || line[at] == '\'') {
        at = line.find(line[at], at + 1);
        if (at == std::string_view::npos) {
            return false;
        }
        ++at;
    } else {
        while (at < line.size() && isNamePart(line[at])) {
            ++at;
        }
        if (at == indent) {
            return false;
        }
    }
    while (at < line.size() && isSpaceOrTab(line[at])) {
        ++at;
    }
    return at < line.size() && line[at] == ':' && (at + 1 == line.size() || isSpaceOrTab(line[at + 1]));
}

// Does the line begin with a keyword that continues a statement of the line above?
bool startsWithClause(std::string_view line) {
    for (const char* keyword : {"SET", "VIA", "ON", "AFTER", "WHERE", "AND", "OR", "ORDER", "LIMIT"}) {
        if (isWordAt(line, 0, keyword)) {
            return true;
        }
    }
    return false;
}

class DialectReader {
public:
    DialectReader(const Source& source, Diagnostics& diagnostics, InterruptCheck interrupt)
        : source_(source), diagnostics_(diagnostics), interrupt_(interrupt) {}

    Dialect read() {
        for (uint32_t number = 1; number <= source_.lineCount(); ++number) {
            if (interrupt_ != nullptr && number % 256 == 0 && interrupt_()) {
                throw Interrupted();
            }
            readLine(number);
        }
        closeDocument(static_cast<uint32_t>(source_.lineCount()));
        dialect_.lineStarts.push_back(dialect_.text.size());
        return std::move(dialect_);
    }

private:
    void readLine(uint32_t number) {
        std::string_view line = source_.line(number);
        size_t offset = line.data() - source_.text().data();
        if (number == 1 && line.substr(0, 3) == "\xEF\xBB\xBF") {
            line.remove_prefix(3);
            offset += 3;
        }
        if (isMarker(line, "---")) {
            closeDocument(number - 1);
            document_.first = number;
            copy(line);
            // Content behind the marker belongs to the document; the scanner sees it where it stands.
            std::string content = "   " + std::string(line.substr(3));
            scanner_.next(content, offset);
            return;
        }
        if (isMarker(line, "...")) {
            closeDocument(number - 1);
            document_.first = number + 1;
            copy("");
            return;
        }
        if (continuesStatement(line)) {
            dialect_.indentedLines.push_back(number);
            copy(" " + std::string(line));
            return;
        }
        std::string masked = withoutSigns(line, offset);
        if (!masked.empty()) {
            dialect_.messageLines.push_back(number);
            line = masked;
        }
        LineScanner::Line info = scanner_.next(line, offset);
        if (info.structural) {
            statementColumn_ = isStatement(info, line) ? info.keyBegin : LineScanner::none;
            checkStructure(info, line, number, offset);
            if (startsDocument(info, line)) {
                closeDocument(number - 1);
                document_.first = number;
                dialect_.documentStarts.push_back(number);
                info = scanner_.next(line, offset);
                rootIndent_ = static_cast<long>(info.indent);
                hasKind_ = true;
            }
            if (hasReferenceOptions(info, line)) {
                copy(withoutReferenceColons(info, line));
                return;
            }
            if (setsBelow(info, line, number)) {
                // "insert: E SET" becomes "insert  E SET:". Nothing but a comment ever stands behind it, so every
                // column stays what it was.
                std::string rewritten(line);
                rewritten[info.keyEnd] = ' ';
                rewritten.insert(info.valueEnd, ":");
                copy(rewritten);
                scanner_.treatAsKey(info);
                return;
            }
        }
        copy(line);
    }

    // `notify: sales "Late: #{id}"` with a '_' for each sign in the message that would end the value, or begin a
    // mapping. The tree gets the message as it was. Empty if there is nothing to replace.
    std::string withoutSigns(std::string_view line, size_t offset) const {
        bool mayBe = line.find("notify") != std::string_view::npos || line.find("escalate") != std::string_view::npos;
        if (!mayBe || (line.find(": ") == line.rfind(": ") && line.find(" #") == std::string_view::npos)) {
            return {};
        }
        LineScanner scanner = scanner_;
        LineScanner::Line info = scanner.next(line, offset);
        size_t begin = 0, end = 0;
        bool isMessage =
            info.structural && info.keyBegin != LineScanner::none &&
            hasMessage(line.substr(info.keyBegin, info.keyEnd - info.keyBegin)) &&
            findMessage(line, std::min(line.find_first_not_of(" \t", info.keyEnd + 1), line.size()), begin, end);
        std::string masked(line);
        for (size_t at = begin; isMessage && at < end; ++at) {
            bool beginsValue = line[at] == ':' && at + 1 < line.size() && isSpaceOrTab(line[at + 1]);
            bool beginsComment = line[at] == '#' && isSpaceOrTab(line[at - 1]);
            if (beginsValue || beginsComment) {
                masked[at] = '_';
            }
        }
        return masked == line ? std::string() : masked;
    }

    void checkStructure(const LineScanner::Line& info, std::string_view line, uint32_t number, size_t offset) {
        if (info.tabIndented && !document_.broken) {
            document_.broken = true;
            diagnostics_.report(Code::Y018, source_.position(offset + line.find('\t')));
        }
        if (startsWithForeignBlank(line.substr(std::min(info.indent, line.size()))) && !document_.broken) {
            document_.broken = true;
            reportForeignBlank(source_, offset + info.indent, diagnostics_);
        }
        if (info.indent == 0 && line[0] == '%' && !document_.broken) {
            document_.broken = true;
            diagnostics_.report(Code::Y017, {number, 1});
        }
        if (rootIndent_ < 0) {
            rootIndent_ = static_cast<long>(info.indent);
        }
    }

    // The second `entity:` or `service:` at the root of a document starts a new one.
    bool startsDocument(const LineScanner::Line& info, std::string_view line) {
        if (info.afterDash || info.keyBegin == LineScanner::none || static_cast<long>(info.indent) != rootIndent_) {
            return false;
        }
        std::string_view key = line.substr(info.keyBegin, info.keyEnd - info.keyBegin);
        while (!key.empty() && isSpaceOrTab(key.back())) {
            key.remove_suffix(1);
        }
        bool isKind = key == "entity" || key == "service";
        if (isKind && !hasKind_) {
            hasKind_ = true;
            return false;
        }
        return isKind;
    }

    // "customer: ref(Customer, on_delete: cascade)": the second ':' would begin a mapping.
    static bool hasReferenceOptions(const LineScanner::Line& info, std::string_view line) {
        return info.keyBegin != LineScanner::none && info.valueBegin != LineScanner::none &&
               isWordAt(line, info.valueBegin, "REF") && line.find(": ", info.valueBegin) != std::string_view::npos;
    }

    // "on_delete: cascade" becomes "on_delete :cascade", which is plain text to YAML.
    static std::string withoutReferenceColons(const LineScanner::Line& info, std::string_view line) {
        std::string rewritten(line);
        size_t end = std::min(rewritten.find(')', info.valueBegin), rewritten.size());
        for (size_t at = rewritten.find(": ", info.valueBegin); at < end; at = rewritten.find(": ", at + 2)) {
            std::swap(rewritten[at], rewritten[at + 1]);
        }
        return rewritten;
    }

    // "update: Backorder SET status = …", to be continued.
    static bool isStatement(const LineScanner::Line& info, std::string_view line) {
        if (info.keyBegin == LineScanner::none || info.valueBegin == LineScanner::none) {
            return false;
        }
        std::string_view key = line.substr(info.keyBegin, info.keyEnd - info.keyBegin);
        std::string_view value = line.substr(info.valueBegin, info.valueEnd - info.valueBegin);
        size_t nameEnd = value.find_first_of(" \t");
        size_t second = nameEnd == std::string_view::npos ? nameEnd : value.find_first_not_of(" \t", nameEnd);
        bool saysSet =
            second != std::string_view::npos && (isWordAt(value, second, "SET") || isWordAt(value, second, "AFTER"));
        return key == "update" || key == "delete" || key == "upsert" || key == "find" || key == "lock" ||
               key == "foreach" || saysSet;
    }

    // "WHERE …" in the column of the "update:" that it belongs to. YAML wants it deeper, the language does not; nothing
    // else can begin with such a word there, as a key would be followed by ':'.
    bool continuesStatement(std::string_view line) const {
        if (statementColumn_ == LineScanner::none || !scanner_.isInPlain() ||
            line.find_first_not_of(' ') != statementColumn_) {
            return false;
        }
        return startsWithClause(line.substr(statementColumn_)) && !isKeyLine(line, statementColumn_);
    }

    // A plain "<verb>: <name> SET", or with a text before SET, whose next line is a key deeper inside.
    bool setsBelow(const LineScanner::Line& info, std::string_view line, uint32_t number) {
        if (info.keyBegin == LineScanner::none || info.valueBegin == LineScanner::none) {
            return false;
        }
        std::string_view key = line.substr(info.keyBegin, info.keyEnd - info.keyBegin);
        std::string_view value = line.substr(info.valueBegin, info.valueEnd - info.valueBegin);
        if (!isTargetWithSet(value) && !isTextWithSet(key, value)) {
            return false;
        }
        for (uint32_t below = number + 1; below <= source_.lineCount(); ++below) {
            std::string_view next = source_.line(below);
            size_t indent = next.find_first_not_of(" \t");
            if (indent == std::string_view::npos || next[indent] == '#') {
                continue;
            }
            return indent > info.keyBegin && isKeyLine(next, indent);
        }
        return false;
    }

    void closeDocument(uint32_t lastLine) {
        document_.last = lastLine;
        document_.hasOpenQuote = scanner_.openQuote() != LineScanner::none;
        document_.openQuote = scanner_.openQuote();
        document_.hasOpenFlow = scanner_.openFlow() != LineScanner::none;
        document_.openFlow = scanner_.openFlow();
        document_.hasLongQuote = scanner_.longQuoteBegin() != LineScanner::none;
        document_.longQuoteBegin = scanner_.longQuoteBegin();
        document_.longQuoteEnd = scanner_.longQuoteEnd();
        if (document_.last >= document_.first) {
            dialect_.documents.push_back(document_);
        }
        document_ = DocumentLines();
        scanner_.reset();
        rootIndent_ = -1;
        hasKind_ = false;
        statementColumn_ = LineScanner::none;
    }

    void copy(std::string_view line) {
        if (!dialect_.lineStarts.empty()) {
            dialect_.text += '\n';
        }
        dialect_.lineStarts.push_back(dialect_.text.size());
        dialect_.text.append(line);
    }

    const Source& source_;
    Diagnostics& diagnostics_;
    InterruptCheck interrupt_;
    Dialect dialect_;
    DocumentLines document_;
    LineScanner scanner_;
    long rootIndent_ = -1;
    bool hasKind_ = false;
    size_t statementColumn_ = LineScanner::none;  // of the key whose value is a statement that may go on
};

}  // namespace

Dialect readDialect(const Source& source, Diagnostics& diagnostics, InterruptCheck interrupt) {
    return DialectReader(source, diagnostics, interrupt).read();
}

std::string dialectToYaml(const Source& source, std::vector<uint32_t>& documentStarts) {
    Diagnostics ignored;
    Dialect dialect = readDialect(source, ignored, nullptr);
    documentStarts = std::move(dialect.documentStarts);
    return std::move(dialect.text);
}

}  // namespace specql::yaml
