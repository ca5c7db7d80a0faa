#include "yaml/parse.hpp"

#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <istream>
#include <streambuf>

#include "text/utf8.hpp"
#include "yaml/dialect.hpp"
#include "yaml/syntax_error.hpp"
#include "yaml/tree_builder.hpp"

namespace specql::yaml {

namespace {

// The parser went on behind the end of the text.
struct EndNotRecognised {};

// Feeds yaml-cpp in small pieces and checks for an interrupt before each, because its scanner has loops of its own.
class InterruptibleBuffer : public std::streambuf {
public:
    InterruptibleBuffer(std::string& text, InterruptCheck interrupt) : interrupt_(interrupt) {
        setg(text.data(), text.data(), text.data() + text.size());
    }

    // From now on an interrupt throws. To be called when the parser has been constructed, because the constructors of
    // yaml-cpp leak memory if an exception passes through them.
    void arm() {
        isArmed_ = true;
        check();
    }

protected:
    std::streamsize xsgetn(char* to, std::streamsize count) override {
        check();
        return std::streambuf::xsgetn(to, count);
    }

    // Called only at the end of the text. A scanner that calls it very often is in an endless loop.
    int_type underflow() override {
        check();
        if (++readsAtEnd_ > 1000) {
            throw EndNotRecognised();
        }
        return traits_type::eof();
    }

private:
    void check() {
        if (isArmed_ && interrupt_ != nullptr && interrupt_()) {
            throw Interrupted();
        }
    }

    InterruptCheck interrupt_;
    bool isArmed_ = false;
    int readsAtEnd_ = 0;
};

// Checks what must hold before yaml-cpp sees the text. Only the first problem of each kind is reported, because a
// binary file has thousands.
bool isReadable(const Source& source, const Limits& limits, Diagnostics& diagnostics, InterruptCheck interrupt) {
    const std::string& text = source.text();
    if (text.size() > limits.bytes) {
        diagnostics.report(
            Code::Y001, {1, 1},
            "the text has " + std::to_string(text.size()) + " bytes; " + std::to_string(limits.bytes) + " are allowed",
            "apply it in parts, or raise specql.max_spec_size");
        return false;
    }
    bool invalidSeen = false;
    bool forbiddenSeen = false;
    bool openersSeen = false;
    size_t openers = 0;
    size_t steps = 0;
    for (size_t at = 0; at < text.size();) {
        if (interrupt != nullptr && ++steps % 65536 == 0 && interrupt()) {
            throw Interrupted();
        }
        size_t begin = at;
        char32_t codePoint = decodeUtf8(text, at);
        if (codePoint == invalidCodePoint) {
            if (!invalidSeen) {
                diagnostics.report(Code::Y002, source.position(begin));
            }
            invalidSeen = true;
            continue;
        }
        bool isLoneReturn = codePoint == '\r' && at < text.size() && text[at] != '\n';
        bool isByteOrderMark = codePoint == 0xFEFF && begin == 0;
        if ((isForbidden(codePoint) && !isByteOrderMark) || isLoneReturn) {
            if (!forbiddenSeen) {
                diagnostics.report(
                    Code::Y003, source.position(begin), "character " + codePointName(codePoint) + " is not allowed",
                    "control and bidirectional characters make a text read differently from what it says; remove it");
            }
            forbiddenSeen = true;
        }
        if ((codePoint == '[' || codePoint == '{') && ++openers > limits.flowOpeners && !openersSeen) {
            diagnostics.report(Code::Y004, source.position(begin),
                               "the text has more than " + std::to_string(limits.flowOpeners) + " '[' and '{'",
                               "write lists and mappings on lines of their own, or apply the text in parts");
            openersSeen = true;
        }
    }
    return !invalidSeen && !forbiddenSeen && !openersSeen;
}

// True if the document was read to its end.
bool parseDocument(std::string& yaml, TreeBuilder& builder, const Source& source, const Dialect& dialect,
                   const DocumentLines& lines, Diagnostics& diagnostics, InterruptCheck interrupt) {
    InterruptibleBuffer buffer(yaml, interrupt);
    std::istream stream(&buffer);
    stream.exceptions(std::ios::badbit);
    try {
        YAML::Parser parser(stream);
        buffer.arm();
        // The second call finds the end of the text, or a second root, which the builder refuses.
        while (parser.HandleNextDocument(builder)) {
        }
        return true;
    } catch (const YAML::Exception& error) {
        reportSyntaxError(error.mark, source, dialect, lines, builder, diagnostics);
    } catch (const EndNotRecognised&) {
        YAML::Mark end;
        end.line = static_cast<int>(lines.last - lines.first) + 1;
        reportSyntaxError(end, source, dialect, lines, builder, diagnostics);
    } catch (const DocumentRefused&) {
    }
    return false;
}

}  // namespace

ParsedText parseText(const Source& source, const Limits& limits, Diagnostics& diagnostics, InterruptCheck interrupt) {
    ParsedText result;
    if (!isReadable(source, limits, diagnostics, interrupt)) {
        return result;
    }
    size_t errorsBefore = diagnostics.errorCount();
    Dialect dialect = readDialect(source, diagnostics, interrupt);
    TreeBuilder builder(source, dialect, limits, diagnostics, interrupt);
    try {
        for (const DocumentLines& lines : dialect.documents) {
            if (lines.broken) {
                continue;
            }
            size_t begin = dialect.lineStarts[lines.first - 1];
            size_t end = dialect.lineStarts[lines.last];
            // Without an end mark yaml-cpp takes an open quote or bracket at the end of the text for closed.
            std::string yaml = dialect.text.substr(begin, end - begin) + "\n...\n";
            builder.begin(lines);
            if (parseDocument(yaml, builder, source, dialect, lines, diagnostics, interrupt) && builder.hasRoot()) {
                result.documents.push_back(builder.takeRoot());
            }
        }
    } catch (const TextRefused&) {
    }
    if (result.documents.empty() && diagnostics.errorCount() == errorsBefore) {
        diagnostics.report(Code::Y030, {1, 1});
    }
    return result;
}

}  // namespace specql::yaml
