#include "text/source.hpp"

#include <gtest/gtest.h>

#include "support.hpp"
#include "text/utf8.hpp"

namespace specql::test {

using namespace specql::spec;
using namespace specql::yaml;

namespace {

void expectPos(Pos actual, uint32_t line, uint32_t col) {
    EXPECT_EQ(line, actual.line);
    EXPECT_EQ(col, actual.col);
}

// The scalar at `key` of a one-document text.
const Text& scalarAt(const FrontEnd& read, const std::string& key) {
    return read.parsed.documents.at(0).find(key)->value.scalar;
}

// Where the word stands in the value, located, is where it stands in the source.
void expectWordLocated(const FrontEnd& read, const std::string& key, const std::string& word) {
    const Text& text = scalarAt(read, key);
    size_t at = text.value.find(word);
    ASSERT_NE(std::string::npos, at) << word << " in " << text.value;
    EXPECT_EQ(read.source.text().rfind(word), read.source.offsetOf(text, at)) << word << " of " << key;
}

TEST(Source, PositionsCountCharacters) {
    Source source("ab\nÄ漢x\n");
    expectPos(source.position(0), 1, 1);
    expectPos(source.position(2), 1, 3);
    expectPos(source.position(3), 2, 1);
    expectPos(source.position(5), 2, 2);
    expectPos(source.position(8), 2, 3);
    expectPos(source.position(999), 3, 1);
}

TEST(Source, PositionsOnLongLinesCountCharacters) {
    std::string wide;
    for (int i = 0; i < 5000; ++i) {
        wide += "é";
    }
    Source source(wide + "x");
    expectPos(source.position(10000), 1, 5001);
    expectPos(source.position(2048), 1, 1025);
}

TEST(Source, ByteOrderMarkIsNoColumn) {
    Source source(
        "\xEF\xBB\xBF"
        "ab");
    expectPos(source.position(3), 1, 1);
    expectPos(source.position(4), 1, 2);
    FrontEnd read(
        "\xEF\xBB\xBF"
        "entity: A\nfeilds: {}");
    EXPECT_EQ("error SPQL-S001 2:1\n", [&] {
        const Diagnostic& one = read.diagnostics.all().at(0);
        return std::string("error ") + codeName(one.code) + " " + std::to_string(one.pos.line) + ":" +
               std::to_string(one.pos.col) + "\n";
    }());
}

TEST(Source, LinesComeWithoutTheirEnds) {
    Source source("a\r\nb\n\nc");
    EXPECT_EQ(4u, source.lineCount());
    EXPECT_EQ("a", source.line(1));
    EXPECT_EQ("b", source.line(2));
    EXPECT_EQ("", source.line(3));
    EXPECT_EQ("c", source.line(4));
    EXPECT_EQ("", source.line(0));
    EXPECT_EQ("", source.line(5));
}

TEST(Source, LocatesInPlainAndFoldedScalars) {
    FrontEnd read("one: alpha beta\nmany: early late\n  gamma\n\n\n    delta\nend: x\n");
    expectWordLocated(read, "one", "alpha");
    expectWordLocated(read, "many", "gamma");
    expectWordLocated(read, "many", "delta");
}

TEST(Source, LocatesInQuotedScalars) {
    FrontEnd read(
        "s: 'it''s ''so'' fine'\nd: \"a\\tb \\u00e9\\U0001F600 \\x41 last\"\n"
        "f: \"first \n   second\\\n   third\n\n   fourth\"\n");
    expectWordLocated(read, "s", "fine");
    expectWordLocated(read, "d", "last");
    expectWordLocated(read, "f", "second");
    expectWordLocated(read, "f", "third");
    expectWordLocated(read, "f", "fourth");
}

TEST(Source, LocatesInBlockScalars) {
    FrontEnd read(
        "l: |\n    keep\n      deeper\n\n    same\nf: >-\n\n  folded\n  lines\n\n   more\n  back\nx: |2\n    own "
        "blanks\n  less\n");
    for (const char* word : {"keep", "deeper", "same"}) {
        expectWordLocated(read, "l", word);
    }
    for (const char* word : {"folded", "lines", "more", "back"}) {
        expectWordLocated(read, "f", word);
    }
    expectWordLocated(read, "x", "own");
    expectWordLocated(read, "x", "less");
}

TEST(Source, LocatesWithCarriageReturns) {
    FrontEnd read("a: one\r\n  two\r\nb: |\r\n  three\r\n  four\r\n");
    expectWordLocated(read, "a", "two");
    expectWordLocated(read, "b", "four");
}

TEST(Source, PiecesAreLocatedLikeTheWhole) {
    FrontEnd read("a: \"x = 1,\n    y = 'z\\u00e9'\n  WHERE b\"\n");
    const Text& whole = scalarAt(read, "a");
    size_t begin = whole.value.find("y =");
    Text piece = read.source.piece(whole, begin, whole.value.size());
    EXPECT_EQ("y = 'zé' WHERE b", piece.value);
    expectPos(piece.pos, 2, 5);
    expectPos(read.source.locate(piece, piece.value.find("WHERE")), 3, 3);
    expectPos(read.source.locate(piece, piece.value.size()), 3, 10);
}

TEST(Source, CursorMayGoBack) {
    FrontEnd read("a: one\n  two\n  three\n");
    const Text& text = scalarAt(read, "a");
    TextCursor cursor(read.source, text);
    size_t three = cursor.offsetOf(text.value.find("three"));
    size_t two = cursor.offsetOf(text.value.find("two"));
    EXPECT_EQ(read.source.text().find("three"), three);
    EXPECT_EQ(read.source.text().find("two"), two);
}

TEST(Source, EveryExpressionOfTheSeedIsWhereItSays) {
    for (const std::string& block : seedBlocks()) {
        FrontEnd read(block);
        for (const Text& expression : read.spec.expressions) {
            for (size_t at = 0; at < expression.value.size(); ++at) {
                char expected = expression.value[at];
                if (expected != ' ') {
                    EXPECT_EQ(expected, block[read.source.offsetOf(expression, at)]) << expression.value << " " << at;
                }
            }
        }
    }
}

TEST(Diagnostics, AreSortedByPlaceAndKeepTheirOrder) {
    Diagnostics diagnostics;
    diagnostics.report(Code::Y001, {2, 1}, "second");
    diagnostics.warn(Code::Y002, {1, 5}, "first");
    diagnostics.report(Code::R027, {2, 1}, "third");
    std::vector<Diagnostic> sorted = diagnostics.sorted();
    EXPECT_EQ("first", sorted[0].message);
    EXPECT_EQ("second", sorted[1].message);
    EXPECT_EQ("third", sorted[2].message);
    EXPECT_EQ(1u, diagnostics.errorCount());
    Diagnostics other;
    EXPECT_FALSE(other.hasErrors());
    other.append(diagnostics);
    EXPECT_TRUE(other.hasErrors());
}

std::string renderAt(const std::string& text, Pos pos, const std::string& hint = "") {
    return render(Diagnostic{Severity::error, Code::Y001, pos, "wrong", hint}, Source(text));
}

TEST(Render, ShowsLineCaretAndHint) {
    EXPECT_EQ("line 2, column 3: wrong [SPQL-Y001]\n    b: c\n      ^\n  hint: do",
              renderAt("a\nb: c", {2, 4 - 1}, "do"));
}

TEST(Render, CaretStandsUnderTabsAndWideCharacters) {
    EXPECT_EQ("line 1, column 3: wrong [SPQL-Y001]\n    \ta x\n    \t ^", renderAt("\ta x", {1, 3}));
    EXPECT_EQ("line 1, column 3: wrong [SPQL-Y001]\n    漢字x\n        ^", renderAt("漢字x", {1, 3}));
    EXPECT_EQ("line 1, column 3: wrong [SPQL-Y001]\n    e\xCC\x81x\n     ^", renderAt("e\xCC\x81x", {1, 3}));
    EXPECT_EQ("line 1, column 5: wrong [SPQL-Y001]\n    ab\n        ^", renderAt("ab", {1, 5}));
}

TEST(Render, NeverShowsWhatWouldHarmATerminal) {
    std::string out = renderAt("a\x1b[31m\xFF\xE2\x80\xAE", {1, 1});
    EXPECT_EQ(std::string::npos, out.find('\x1b'));
    EXPECT_EQ(std::string::npos, out.find('\xFF'));
    EXPECT_EQ(std::string::npos, out.find("\xE2\x80\xAE"));
}

TEST(Render, ClipsLongLinesAroundTheCaret) {
    std::string out = renderAt(std::string(5000, 'a') + "X" + std::string(5000, 'b'), {1, 5001});
    EXPECT_LT(out.size(), 600u);
    size_t line = out.find("\n    ") + 5;
    size_t caretLine = out.find("\n    ", line) + 5;
    std::string shown = out.substr(line, caretLine - line);
    // The ellipsis takes three bytes and one column.
    EXPECT_EQ('X', shown[out.find('^') - caretLine + 2]);
}

TEST(Render, LimitsHowManyAreShown) {
    Diagnostics diagnostics;
    for (uint32_t i = 1; i <= 60; ++i) {
        diagnostics.report(Code::Y001, {1, i}, "wrong");
    }
    std::string out = render(diagnostics, Source("x"), 50);
    EXPECT_NE(std::string::npos, out.find("… and 10 more"));
    EXPECT_EQ("warning: wrong [SPQL-Y001]",
              render(Diagnostic{Severity::warning, Code::Y001, {}, "wrong", ""}, Source("x")));
}

TEST(Nearest, FindsSlipsOnly) {
    std::vector<std::string> keys = {"fields", "entity", "correlation_window", "on", "if", "trigger", "triggers"};
    EXPECT_EQ("fields", nearest("feilds", keys));
    EXPECT_EQ("fields", nearest("FIELD", keys));
    EXPECT_EQ("entity", nearest("entiy", keys));
    EXPECT_EQ("correlation_window", nearest("correlationWindow", keys));
    EXPECT_EQ("correlation_window", nearest("correlation-windw", keys));
    EXPECT_EQ("trigger", nearest("triger", keys));
    EXPECT_EQ("", nearest("banana", keys));
    EXPECT_EQ("", nearest("xy", keys));
    EXPECT_EQ("", nearest("", keys));
    EXPECT_EQ("", nearest("fields", {}));
}

TEST(Nearest, PassesOverNothingThatIsNear) {
    std::vector<std::string> words = {"stock_quantity_changed", "low_stock", "Order", "a1", "e17", "x"};
    std::vector<std::pair<std::string, std::string>> pairs = {{"stok_quantity_changed", "stock_quantity_changed"},
                                                              {"low_stcok", "low_stock"},
                                                              {"lowstok", "low_stock"},
                                                              {"ordre", "Order"},
                                                              {"e71", "e17"},
                                                              {"e18", "e17"},
                                                              {"1a", "a1"},
                                                              {"y", ""},
                                                              {"b2", ""}};
    for (const auto& [word, found] : pairs)
        EXPECT_EQ(found, Vocabulary(words).nearest(word)) << word;
    EXPECT_EQ("", Vocabulary(words).nearest("low_stonks", 1));
    EXPECT_EQ("low_stock", Vocabulary(words).nearest("low_stoc", 1));
}

TEST(Utf8, RefusesWhatIsNotUtf8) {
    for (std::string bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80",
                            "\xF0\x80\x80\x80", "\xE2\x82", "\xFF"}) {
        size_t at = 0;
        EXPECT_EQ(invalidCodePoint, decodeUtf8(bad, at));
        EXPECT_EQ(1u, at);
    }
    for (char32_t good : {0x41u, 0xE9u, 0x6F22u, 0x1F600u, 0x10FFFFu}) {
        std::string bytes;
        appendUtf8(bytes, good);
        size_t at = 0;
        EXPECT_EQ(good, decodeUtf8(bytes, at));
        EXPECT_EQ(bytes.size(), at);
    }
}

}  // namespace

}  // namespace specql::test
