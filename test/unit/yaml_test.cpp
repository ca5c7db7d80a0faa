// Every guard around yaml-cpp, and every rule of the dialect. Each test fails when its guard is taken away.
#include <gtest/gtest.h>

#include <chrono>

#include "dump.hpp"
#include "support.hpp"
#include "yaml/dialect.hpp"
#include "yaml/syntax_error.hpp"

namespace specql::test {

using namespace specql::yaml;

namespace {

// What the yaml stage alone has to say.
std::string problems(const std::string& text, const Limits& limits = {}) {
    Source source(text);
    Diagnostics diagnostics;
    parseText(source, limits, diagnostics, nullptr);
    return dumpDiagnostics(diagnostics);
}

std::string dialect(const std::string& text) {
    std::vector<uint32_t> starts;
    std::string yaml = dialectToYaml(Source(text), starts);
    for (uint32_t start : starts) {
        yaml += "@" + std::to_string(start);
    }
    return yaml;
}

TEST(YamlGuards, ACommaAloneEnds) {
    EXPECT_EQ("error SPQL-Y016 1:1\n", problems(","));
    EXPECT_EQ("error SPQL-Y016 1:7\n", problems("{a: 1},"));
}

TEST(YamlGuards, OpenQuotesAndBracketsNameWhereTheyBegan) {
    EXPECT_EQ("error SPQL-Y009 2:9\n", problems("entity: A\nschema: \"b\nfields:\n  a: int\n"));
    EXPECT_EQ("error SPQL-Y009 1:9\n", problems("entity: 'A"));
    EXPECT_EQ("error SPQL-Y010 2:9\n", problems("entity: A\nfields: {a: int, b: {c: d}\n"));
    EXPECT_EQ("error SPQL-Y010 2:3\n", problems("a:\n  [b, c\n"));
    EXPECT_EQ("error SPQL-Y010 1:4\n", problems("a: [b, 'c'"));
}

TEST(YamlGuards, AnOpenQuoteDoesNotSwallowTheNextDocument) {
    Source source("entity: 'A\n---\nentity: B\n");
    Diagnostics diagnostics;
    ParsedText parsed = parseText(source, Limits(), diagnostics, nullptr);
    EXPECT_EQ("error SPQL-Y009 1:9\n", dumpDiagnostics(diagnostics));
    ASSERT_EQ(1u, parsed.documents.size());
    EXPECT_EQ("B", parsed.documents[0].find("entity")->value.scalar.value);
}

TEST(YamlGuards, AnchorsAliasesTagsAndMergeKeysAreRefused) {
    EXPECT_EQ("error SPQL-Y011 1:4\nerror SPQL-Y012 1:8\n", problems("a: &a [*a]"));
    EXPECT_EQ("error SPQL-Y012 1:4\n", problems("a: *b"));
    EXPECT_EQ("error SPQL-Y011 1:4\nerror SPQL-Y011 2:4\n", problems("a: &x 1\nb: &y 2"));
    EXPECT_EQ("error SPQL-Y013 1:4\n", problems("a: !!int 1"));
    EXPECT_EQ("error SPQL-Y013 1:4\n", problems("a: ! b"));
    EXPECT_EQ("error SPQL-Y013 1:4\n", problems("a: !local {b: c}"));
    EXPECT_EQ("error SPQL-Y014 1:1\n", problems("<<: {a: 1}"));
    EXPECT_EQ("", problems("\"<<\": '&a *b !c'"));
}

TEST(YamlGuards, KeysAreGivenOnce) {
    EXPECT_EQ("error SPQL-Y015 3:1\n", problems("a: 1\nb: 2\na: 3\n"));
    EXPECT_EQ("error SPQL-Y015 1:11\n", problems("a: {b: 1, 'b': 2}\n"));
    EXPECT_EQ("", problems("a: {b: 1}\nc: {b: 2}\n"));
}

TEST(YamlGuards, LimitsHold) {
    std::string brackets(5000, '[');
    EXPECT_EQ("error SPQL-Y004 1:4097\n", problems(brackets));
    std::string nested;
    for (size_t i = 0; i < 40; ++i) {
        nested += std::string(i, ' ') + "a:\n";
    }
    EXPECT_EQ("error SPQL-Y005 33:33\n", problems(nested));
    Limits limits;
    limits.nodes = 10;
    EXPECT_EQ("error SPQL-Y006 5:4\n", problems("a: 1\nb: 1\nc: 1\nd: 1\ne: 1\nf: 1\n", limits));
    limits = Limits();
    limits.bytes = 4;
    EXPECT_EQ("error SPQL-Y001 1:1\n", problems("a: 12", limits));
    limits = Limits();
    limits.documents = 2;
    EXPECT_EQ("error SPQL-Y007 4:1\n", problems("a: 1\n---\nb: 1\n---\nc: 1\n", limits));
    limits = Limits();
    limits.scalarBytes = 3;
    EXPECT_EQ("error SPQL-Y008 1:4\n", problems("a: 1234", limits));
    EXPECT_EQ("", problems("a: 123", limits));
}

TEST(YamlGuards, HostileTextsEndSoon) {
    const size_t many = 300000;
    auto repeat = [&](const std::string& unit) {
        std::string all;
        for (size_t i = 0; i < many; ++i) {
            all += unit;
        }
        return all;
    };
    auto started = std::chrono::steady_clock::now();
    for (const std::string& text :
         {repeat("["), repeat("- "), repeat("? "), repeat("a: "), "a: " + repeat("'"), "a: " + repeat("&a "),
          repeat(": "), "a: x\n" + repeat("\n"), "a: \"" + repeat("\\\n"), "a: [" + repeat("*a,"), repeat("!"),
          repeat("%"), repeat("---\n")}) {
        problems(text);
    }
    // Not a measurement: without the guards this takes minutes, or for ever.
    EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(60));
}

TEST(YamlGuards, CharactersThatHideAreRefused) {
    EXPECT_EQ("error SPQL-Y003 1:5\n", problems(std::string("a: b\0c", 6)));
    EXPECT_EQ("error SPQL-Y003 1:4\n", problems("a: \x1b[31m"));
    EXPECT_EQ("error SPQL-Y003 1:5\n", problems("a: b\xE2\x80\xAE"));
    EXPECT_EQ("error SPQL-Y003 1:5\n", problems("a: b\xE2\x81\xA6"));
    EXPECT_EQ("error SPQL-Y003 1:5\n", problems("a: b\xC2\x85"
                                                "c"));
    EXPECT_EQ("error SPQL-Y003 1:5\n", problems("a: b\rc: d"));
    EXPECT_EQ("error SPQL-Y003 1:4\n", problems("a: \"x\\0y\""));
    EXPECT_EQ("error SPQL-Y003 1:4\n", problems("a: \"x\\u202ey\""));
    EXPECT_EQ("", problems("a: \"x\\ty\\n\""));
    EXPECT_EQ("error SPQL-Y002 1:4\n", problems("a: \xFF"));
    EXPECT_EQ("error SPQL-Y002 1:1\nerror SPQL-Y003 1:4\n", problems(std::string("\xFF\xFE"
                                                                                 "a\0",
                                                                                 4)));
    EXPECT_EQ("", problems("a: Äpfel 漢字 😀\r\nb: c\r\n"));
}

TEST(YamlGuards, ADocumentIsOneMapping) {
    EXPECT_EQ("error SPQL-Y016 1:1\n", problems("\"a\" \"a\""));
    EXPECT_EQ("error SPQL-Y016 1:8\n", problems("{a: 1} b"));
    EXPECT_EQ("error SPQL-Y016 1:1\n", problems("- a\n- b\n"));
    EXPECT_EQ("error SPQL-Y016 1:1\n", problems("word"));
    EXPECT_EQ("error SPQL-Y030 1:1\n", problems(""));
    EXPECT_EQ("error SPQL-Y030 1:1\n", problems("# nothing\n---\n...\n"));
    EXPECT_EQ("error SPQL-Y019 1:1\n", problems("[a]: b"));
    EXPECT_EQ("error SPQL-Y019 1:3\n", problems("? {a: b}\n: c"));
    EXPECT_EQ("error SPQL-Y017 1:1\n", problems("%YAML 1.2\n"));
}

TEST(YamlGuards, ColumnsAreCharactersFromOne) {
    EXPECT_EQ("error SPQL-Y020 1:8\n", problems("ä: 漢字 b: c"));
    EXPECT_EQ("error SPQL-Y023 1:6\n", problems("é: \"ü\\q\""));
    EXPECT_EQ("error SPQL-Y024 1:4\n", problems("é: @x"));
}

TEST(YamlGuards, ScalarsStayAsWritten) {
    FrontEnd read(
        "a: no\nb: 012\nc: 1_000\nd: null\ne: ~\nf: 1.50\ng: NULL\nh: {i: null, j: , k: ~}\nl: [null, x]\nm:\nnull: "
        "n\n");
    const Node& root = read.parsed.documents.at(0);
    for (auto [key, value] : {std::pair<const char*, const char*>{"a", "no"},
                              {"b", "012"},
                              {"c", "1_000"},
                              {"d", "null"},
                              {"e", "~"},
                              {"f", "1.50"},
                              {"g", "NULL"},
                              {"null", "n"}}) {
        ASSERT_NE(nullptr, root.find(key)) << key;
        EXPECT_EQ(value, root.find(key)->value.scalar.value);
    }
    const Node& flow = root.find("h")->value;
    EXPECT_EQ("null", flow.find("i")->value.scalar.value);
    EXPECT_EQ(Node::Kind::null, flow.find("j")->value.kind);
    EXPECT_EQ("~", flow.find("k")->value.scalar.value);
    EXPECT_EQ("null", root.find("l")->value.items[0].scalar.value);
    EXPECT_EQ(Node::Kind::null, root.find("m")->value.kind);
}

TEST(YamlGuards, OneRunReportsTheProblemsOfAllDocuments) {
    EXPECT_EQ("error SPQL-Y020 1:5\nerror SPQL-Y009 3:4\nerror SPQL-Y015 6:1\n",
              problems("a: b: c\n---\na: 'x\n---\nb: 1\nb: 2\n"));
}

// The sentences of yaml-cpp differ between its versions: only the place of an error is used.
TEST(YamlGuards, TheReasonFollowsFromThePlace) {
    auto said = [](const char* text, int line, int column) {
        Source source(text);
        Diagnostics diagnostics;
        Dialect dialect = readDialect(source, diagnostics, nullptr);
        Limits limits;
        TreeBuilder builder(source, dialect, limits, diagnostics, nullptr);
        builder.begin(dialect.documents.at(0));
        YAML::Mark mark;
        mark.line = line;
        mark.column = column;
        reportSyntaxError(mark, source, dialect, dialect.documents[0], builder, diagnostics);
        return dumpDiagnostics(diagnostics);
    };
    EXPECT_EQ("error SPQL-Y016 1:1\n", said("a\nc\n", 1, 0));
    EXPECT_EQ("error SPQL-Y016 2:1\n", said("# c\n,\n", 1, 0));
    EXPECT_EQ("error SPQL-Y020 1:5\n", said("a: b: c\n", 0, 4));
    EXPECT_EQ("error SPQL-Y010 1:4\n", said("a: [b\nc: d\n", 1, 0));
    EXPECT_EQ("error SPQL-Y023 1:6\n", said("a: \"b\\u12\" c\n", 0, 11));
    EXPECT_EQ("error SPQL-Y020 1:16\n", said("a: C:\\users \"b\": c\n", 0, 15));
    EXPECT_EQ("error SPQL-Y025 1:6\n", said("a: | b\n", 0, 5));
    EXPECT_EQ("error SPQL-Y012 1:5\n", said("a: *\n", 0, 4));
}

bool alwaysStop() {
    return true;
}

int checksLeft = 0;
bool stopLater() {
    return --checksLeft < 0;
}

TEST(YamlGuards, AnInterruptStopsEveryLoop) {
    Source source("a: b\n");
    Diagnostics diagnostics;
    EXPECT_THROW(parseText(source, Limits(), diagnostics, alwaysStop), Interrupted);
    std::string text;
    for (int i = 0; i < 20000; ++i) {
        text += "key" + std::to_string(i) + ": value\n";
    }
    Source big(text);
    // Wherever the stop comes, it comes through.
    for (int checks : {0, 1, 10, 100, 300, 500}) {
        checksLeft = checks;
        EXPECT_THROW(parseText(big, Limits(), diagnostics, stopLater), Interrupted) << checks;
    }
}

TEST(Dialect, MovesTheColonBehindSet) {
    EXPECT_EQ("- insert  A SET:\n    b: c\n", dialect("- insert: A SET\n    b: c\n"));
    EXPECT_EQ("- update  A set:   \n    b: c\n", dialect("- update: A set   \n    b: c\n"));
    EXPECT_EQ("- append  s.A SET: # why\n\n  # and\n    \"b\": c\n",
              dialect("- append: s.A SET # why\n\n  # and\n    \"b\": c\n"));
    EXPECT_EQ("- create  A SET:\n    b: c\n", dialect("- create: A SET\r\n    b: c\r\n").substr(0, 26));
}

TEST(Dialect, LeavesEverythingElse) {
    for (const char* text :
         {"- update: A SET b = c\n    d\n", "- update: A SET\n    b = c\n", "- insert: A SET\n- b: c\n",
          "a: |\n  insert: A SET\n    b: c\n", "a: 'x\n  insert: A SET\n    b: c'\n",
          "a: [x,\n  insert: A SET\n    b: c]\n", "a: text\n  insert: A SET\n    b: c\n", "a: A SET b\n  c: d\n"}) {
        EXPECT_EQ(text, dialect(text));
    }
}

TEST(Dialect, ASecondEntityBeginsADocument) {
    EXPECT_EQ("entity: A\nentity: B\n@2", dialect("entity: A\nentity: B\n"));
    EXPECT_EQ("entity: A\nx: 1\n# c\nservice: b\nentity: C\n@4@5",
              dialect("entity: A\nx: 1\n# c\nservice: b\nentity: C\n"));
    EXPECT_EQ("entity: A\n---\nentity: B\n", dialect("entity: A\n---\nentity: B\n"));
    EXPECT_EQ("a:\n  entity: A\nb:\n  entity: B\n", dialect("a:\n  entity: A\nb:\n  entity: B\n"));
    EXPECT_EQ("entity: A\nd: |\n entity: x\ne: 'y\nentity: z'\n",
              dialect("entity: A\nd: |\n entity: x\ne: 'y\nentity: z'\n"));
}

TEST(Dialect, AStatementGoesOnInItsOwnColumn) {
    EXPECT_EQ("- update: A SET b = c\n   WHERE d\n   ORDER BY e\n",
              dialect("- update: A SET b = c\n  WHERE d\n  ORDER BY e\n"));
    EXPECT_EQ("- update: A SET b = c\n  where: d\n", dialect("- update: A SET b = c\n  where: d\n"));
    EXPECT_EQ("- notify: A b\n  WHERE d\n", dialect("- notify: A b\n  WHERE d\n"));
    FrontEnd read("a: b\nsteps:\n  - update: A SET b = c\n    WHERE d: e\n");
    EXPECT_EQ("error SPQL-Y020 4:5\n", dumpDiagnostics(read.diagnostics).substr(0, 20));
}

TEST(Dialect, ReferencesMayHaveOptions) {
    EXPECT_EQ("a: ref(B, on_delete :cascade)! # c: d\n", dialect("a: ref(B, on_delete: cascade)! # c: d\n"));
    EXPECT_EQ("a: reference(B, x: y)\n", dialect("a: reference(B, x: y)\n"));
    EXPECT_EQ("a: {b: ref(C)}\n", dialect("a: {b: ref(C)}\n"));
}

TEST(Dialect, ColumnsAndLinesStayExact) {
    FrontEnd read("steps:\n  - insert: Entity SET   # note\n      'bé': x\n");
    const Entry& entry = read.parsed.documents.at(0).entries[0].value.items[0].entries[0];
    EXPECT_EQ("insert  Entity SET", entry.key.value);
    EXPECT_EQ(5u, entry.key.pos.col);
    Text target = read.source.piece(entry.key, entry.key.value.find("Entity"), 14);
    EXPECT_EQ(2u, target.pos.line);
    EXPECT_EQ(13u, target.pos.col);
    const Text& value = entry.value.entries[0].value.scalar;
    EXPECT_EQ(3u, value.pos.line);
    EXPECT_EQ(13u, value.pos.col);
}

TEST(Tree, EndsAreTheLastCharacterOfTheContent) {
    FrontEnd read("a:\n  - {b: [c, d] , # x ]\n     }\n  - 'e\n     f'\n  - |\n    g\n    h\n\n# tail\nz: 1\n");
    const Node& list = read.parsed.documents.at(0).find("a")->value;
    EXPECT_TRUE((Pos{3, 6}) == list.items[0].end);
    EXPECT_TRUE((Pos{5, 7}) == list.items[1].end);
    EXPECT_EQ(8u, list.items[2].end.line);
    EXPECT_EQ(8u, list.end.line);
}

}  // namespace

}  // namespace specql::test
