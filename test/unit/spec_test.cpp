#include <gtest/gtest.h>

#include "dump.hpp"
#include "support.hpp"

namespace specql::test {

using namespace specql::spec;
using namespace specql::yaml;

namespace {

// The spec of an action with these steps, without places.
std::string steps(const std::string& body) {
    std::string text = "entity: A\nactions:\n  - name: x\n    on: update A\n    steps:\n";
    FrontEnd read(text + body);
    std::string problems = dumpDiagnostics(read.diagnostics);
    if (!problems.empty()) {
        return problems;
    }
    std::string dump = dumpSpec(read.spec, false);
    return dump.substr(dump.find("    branch\n") + 11);
}

std::string problems(const std::string& text) {
    return dumpDiagnostics(FrontEnd(text).diagnostics);
}

std::string fieldOf(const std::string& type) {
    FrontEnd read("entity: A\nfields:\n  f: " + type + "\n");
    std::string found = dumpDiagnostics(read.diagnostics);
    std::string dump = dumpSpec(read.spec, false);
    return found.empty() ? dump.substr(dump.find("  field")) : found;
}

TEST(Spec, ReadsTheSeedWithoutAWord) {
    ASSERT_EQ(5u, seedBlocks().size());
    for (const std::string& block : seedBlocks()) {
        EXPECT_FALSE(block.empty());
        FrontEnd read(block);
        EXPECT_EQ("", render(read.diagnostics, read.source));
    }
    FrontEnd both(seedBlocks()[0] + seedBlocks()[1]);
    EXPECT_EQ("", render(both.diagnostics, both.source));
    EXPECT_EQ(3u, both.spec.entities.size());
    EXPECT_EQ(4u, both.spec.entities[0].actions.size());
}

std::string linesOf(const Source& source, uint32_t first, uint32_t last) {
    std::string out;
    for (uint32_t number = first; number <= last; ++number) {
        out += std::string(source.line(number)) + "\n";
    }
    return out;
}

// Cut out of the text, each unit reads to itself again.
void expectSlices(const std::string& text) {
    FrontEnd whole(text, "inventory");
    ASSERT_FALSE(whole.diagnostics.hasErrors()) << render(whole.diagnostics, whole.source);
    for (const Entity& entity : whole.spec.entities) {
        FrontEnd cut(linesOf(whole.source, entity.firstLine, entity.lastLine));
        ASSERT_EQ(1u, cut.spec.entities.size());
        Spec alone;
        alone.entities = {entity};
        alone.expressions = whole.spec.expressions;
        EXPECT_EQ(dumpSpec(alone, false), dumpSpec(cut.spec, false));
    }
    for (const Service& service : whole.spec.services) {
        FrontEnd cut(linesOf(whole.source, service.firstLine, service.lastLine));
        Spec alone;
        alone.services = {service};
        EXPECT_EQ(dumpSpec(alone, false), dumpSpec(cut.spec, false));
    }
    for (const Rules& rules : whole.spec.rules) {
        for (const Action& action : rules.actions) {
            FrontEnd cut("actions:\n" + linesOf(whole.source, action.firstLine, action.lastLine), rules.schema.value);
            Spec alone;
            alone.rules.emplace_back();
            alone.rules[0].schema = rules.schema;
            alone.rules[0].actions = {action};
            alone.expressions = whole.spec.expressions;
            EXPECT_EQ(dumpSpec(alone, false), dumpSpec(cut.spec, false));
        }
    }
}

TEST(Spec, EveryUnitCanBeCutOut) {
    std::string all = seedBlocks()[0] + seedBlocks()[1];
    for (size_t i = 2; i < 5; ++i) {
        expectSlices(seedBlocks()[i]);
        all += "---\n" + seedBlocks()[i];
    }
    expectSlices(all);
    expectSlices(readFile(testDirectory() + "/baseline/everything/input.yaml"));
    expectSlices(
        "actions:\n-\n  # why\n  name: a\n  on: update A\n  steps:\n  - notify: c m\n# tail\n-   name: b\n    on: "
        "update A\n"
        "    steps: [{notify: c 'm\n\n       n'}]\n");
}

TEST(Spec, ActionsOfRulesNeedLinesOfTheirOwn) {
    EXPECT_EQ("error SPQL-S027 1:11\n", problems("actions: [{name: a, on: update A, steps: [{notify: c m}]}]\n"));
    EXPECT_EQ("", problems("entity: A\nactions: [{name: a, on: update A, steps: [{notify: c m}]}]\n"));
}

TEST(Spec, RulesJoinTheSchemaBefore) {
    std::string rules = "actions:\n  - name: a\n    on: update A\n    steps:\n      - notify: c m\n";
    EXPECT_EQ("sales", FrontEnd("entity: A\nschema: sales\n---\n" + rules, "x").spec.rules[0].schema.value);
    EXPECT_EQ("public", FrontEnd("entity: A\n---\n" + rules, "x").spec.rules[0].schema.value);
    EXPECT_EQ("x", FrontEnd(rules, "x").spec.rules[0].schema.value);
    EXPECT_EQ("own", FrontEnd(rules + "schema: own\n", "x").spec.rules[0].schema.value);
    EXPECT_EQ("", FrontEnd(rules).spec.rules[0].schema.value);
    EXPECT_EQ("own", FrontEnd(rules + "schema: own\n---\n" + rules, "x").spec.rules[1].schema.value);
    EXPECT_EQ("sales", FrontEnd("entity: A\nschema: sales\n---\nservice: s\n---\n" + rules).spec.rules[0].schema.value);
    EXPECT_EQ("own", FrontEnd("entity: A\nschema: sales\n---\n" + rules + "schema: own\n").spec.rules[0].schema.value);
}

TEST(Spec, ReadsFieldTypes) {
    EXPECT_EQ("  field f : text\n", fieldOf("text"));
    EXPECT_EQ("  field f : text required\n", fieldOf("text!"));
    EXPECT_EQ("  field f : decimal(10,2) required\n    default $ 1 + 2\n", fieldOf("decimal(10,2)! = 1 + 2"));
    EXPECT_EQ("  field f : text\n    default $ 'a=b, !'\n", fieldOf("text = 'a=b, !'"));
    EXPECT_EQ("  field f : timestamp with time zone\n    default $ now()\n",
              fieldOf("timestamp with time zone = now()"));
    EXPECT_EQ("  field f : enum( a, 'b c', \"d\"\"e\" )\n    value a\n    value b c\n    value d\"e\n",
              fieldOf("enum( a, 'b c', \"d\"\"e\" )"));
    EXPECT_EQ("  field f : ref(sales.Order, on_delete: set_null)\n    references sales.Order\n    on delete set null\n",
              fieldOf("ref(sales.Order, on_delete: set_null)"));
    EXPECT_EQ("  field f : text[]\n", fieldOf("text[]"));
    EXPECT_EQ("  field f : numeric required\n    default $ 0\n    check $ f >= 0\n    description how much\n",
              fieldOf("{type: numeric, required: yes, default: 0, check: f >= 0, description: how much}"));
    EXPECT_EQ("  field f : text\n    default $ null\n", fieldOf("{type: text, default: null}"));
}

TEST(Spec, ReadsStatements) {
    EXPECT_EQ(
        "      step update\n        target A\n        set b $ 1\n        set c d $ f(2, 3)\n        where $ e = "
        "'x, WHERE'\n"
        "        order descending nulls last $ g\n        order $ h\n        limit $ 5\n",
        steps("      - update: A SET b = 1, \"c d\" = f(2, 3) WHERE e = 'x, WHERE'\n          ORDER BY g DESC NULLS "
              "LAST, h asc LIMIT 5\n"));
    EXPECT_EQ("      step delete\n        target s.A\n        where $ true\n",
              steps("      - delete: s.A WHERE true\n"));
    EXPECT_EQ("      step delete\n        target A\n", steps("      - delete: A\n"));
    EXPECT_EQ("      step emit\n        target done\n        set a $ b\n", steps("      - emit: done SET a = b\n"));
    EXPECT_EQ("      step emit\n        target done\n        set a $ b\n",
              steps("      - emit: done SET\n          a: b\n"));
    EXPECT_EQ("      step create\n        target A\n", steps("      - create: A\n"));
    EXPECT_EQ("      step append\n        target L\n        set a $ 1\n        set b $ null\n",
              steps("      - append: L SET\n          a: 1\n          b: null\n"));
}

TEST(Spec, ReadsLimitSum) {
    EXPECT_EQ(
        "      step update\n        target A\n        set b $ 1\n        limit sum quantity\n        limit $ x + 1\n",
        steps("      - update: A SET b = 1 LIMIT SUM( quantity ) <= x + 1\n"));
    EXPECT_EQ("error SPQL-S022 6:35\n", steps("      - update: A SET b = 1 LIMIT SUM(quantity) < x\n"));
}

TEST(Spec, ReadsMessages) {
    EXPECT_EQ("      step notify\n        target team\n        message so \"it\" is\n",
              steps("      - notify: team \"so \"\"it\"\" is\"\n"));
    EXPECT_EQ("      step notify\n        target sales-team\n        message it's\n",
              steps("      - notify: sales-team 'it''s'\n"));
    EXPECT_EQ("      step notify\n        target team\n        message not quoted at all\n",
              steps("      - notify: team not quoted at all\n"));
    EXPECT_EQ("      step call_external\n        target s\n        message op\n",
              steps("      - call_external: s op\n"));
    EXPECT_EQ("      step escalate\n        target c\n        message m\n        severity high\n",
              steps("      - escalate: {channel: c, message: m, severity: high}\n"));
    EXPECT_EQ("error SPQL-S024 6:22\n", steps("      - notify: team \"open\n          end\n"));
}

TEST(Spec, AFunctionStepHasTheFormOfACall) {
    EXPECT_EQ(
        "      step function\n        verb go\n        target s.f\n        argument $ a\n        argument $ g(b, "
        "'c,d')\n",
        steps("      - go: \"s.f(a, g(b, 'c,d'))\"\n"));
    EXPECT_EQ("      step function\n        verb go\n        target f\n", steps("      - go: f()\n"));
    EXPECT_EQ("error SPQL-S016 6:9\n", steps("      - go: f\n"));
    EXPECT_EQ("error SPQL-S016 6:9\n", steps("      - insret: A SET b = 1\n"));
    EXPECT_EQ("error SPQL-S016 6:9\n", steps("      - insret: A SET\n          b: 1\n"));
    EXPECT_EQ("error SPQL-S016 6:9\n", steps("      - notfy: \"f(x)\"\n"));
}

TEST(Spec, ReadsControlSteps) {
    EXPECT_EQ("      step validate\n        condition $ a > 1\n        message too small\n",
              steps("      - validate: a > 1\n        error: too small\n"));
    EXPECT_EQ(
        "      step if\n        condition $ a\n        step notify\n          target c\n          message m\n      "
        "else\n"
        "        step return\n          argument $ 1\n",
        steps("      - if: a\n        then:\n          - notify: c m\n        else:\n          - return: 1\n"));
    EXPECT_EQ(
        "      step foreach\n        condition $ items(x)\n        variable i\n        step call\n          target f\n"
        "          variable v\n          argument $ i\n",
        steps("      - foreach: i in items(x)\n        do:\n          - call: f(i)\n            into: v\n"));
    EXPECT_EQ("      step return\n", steps("      - return:\n"));
}

TEST(Spec, TellsConditionsApart) {
    auto action = [](const std::string& lines) {
        FrontEnd read("actions:\n  - name: x\n" + lines + "    steps:\n      - notify: c m\n");
        EXPECT_EQ("", dumpDiagnostics(read.diagnostics)) << lines;
        return read.spec.rules.at(0).actions.at(0);
    };
    Action plain = action("    trigger: t\n    condition: a > 1 AND within_limit AND 'WITHIN' = b AND counted(x)\n");
    EXPECT_TRUE(static_cast<bool>(plain.plainCondition));
    EXPECT_FALSE(plain.windowed);
    Action windowed = action("    trigger: t\n    condition: COUNT(a) >= 5 within 1 hour\n");
    EXPECT_TRUE(windowed.windowed);
    EXPECT_FALSE(static_cast<bool>(windowed.plainCondition));
    EXPECT_TRUE(action("    trigger: t\n    condition: avg (a.b) > 5 WITHIN 1 day\n").windowed);
    FrontEnd negated(
        "actions:\n  - name: x\n    trigger: t\n    condition: (NOT (sum(a.b) > 5))\n    steps:\n      - notify: c "
        "m\n");
    EXPECT_EQ("error SPQL-R080 4:17\n", dumpDiagnostics(negated.diagnostics));
    EXPECT_TRUE(negated.spec.rules.at(0).actions.at(0).windowed);
    EXPECT_FALSE(action("    trigger: t\n    condition: (b = 'sum(a.b)' AND min > 5)\n").windowed);
    Action correlated = action(
        "    triggers: [a, b]\n    correlation_window: 1 h\n    condition: a AND b\n    correlate_by: {b: y, a: x}\n");
    EXPECT_TRUE(correlated.correlated);
    EXPECT_FALSE(correlated.windowed);
    EXPECT_EQ("x", correlated.correlateBy.at(0).value);
    EXPECT_EQ("y", correlated.correlateBy.at(1).value);
}

TEST(Spec, ReportsAllProblemsAtOnce) {
    EXPECT_EQ(
        "error SPQL-S001 2:1\nerror SPQL-S013 4:3\nerror SPQL-S006 8:15\nerror SPQL-S016 10:9\nerror SPQL-S021 12:14\n",
        problems("entity: A\nfeild: {}\nfields:\n  a:\nactions:\n  - name: x\n    on: update A\n    on_error: retyr\n  "
                 "  steps:\n"
                 "      - notfiy: c m\n      - insert: A SET\n          b: \"\"\n"));
}

TEST(Spec, HintsNameTheNearestKey) {
    FrontEnd read("entity: Product\nfeilds: {}");
    ASSERT_EQ(1u, read.diagnostics.all().size());
    EXPECT_TRUE((Pos{2, 1}) == read.diagnostics.all()[0].pos);
    EXPECT_EQ("did you mean \"fields\"?", read.diagnostics.all()[0].hint);
}

}  // namespace

}  // namespace specql::test
