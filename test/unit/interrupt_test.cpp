// Every stage of the compiler that may run long asks whether to stop.
#include <gtest/gtest.h>

#include "compiler.hpp"

namespace specql::test {

using namespace specql::spec;
using namespace specql::yaml;

namespace {

int asked;
int stopAt;

bool stopping() {
    return ++asked >= stopAt;
}

// Entities that refer to each other, actions that set each other off.
std::string manyActions() {
    std::string text;
    for (int i = 0; i < 20; i++)
        text +=
            "entity: E" + std::to_string(i) + "\nfields: {a: integer, e" + std::to_string(i) + "_b: integer}\n---\n";
    text += "actions:\n";
    for (int i = 0; i < 20; i++)
        text += "  - name: a" + std::to_string(i) + "\n    on: update E" + std::to_string(i) +
                ".a\n    steps:\n      - update: E" + std::to_string((i + 1) % 20) + " SET a = 1 WHERE true\n";
    return text;
}

class Interrupt : public testing::Test {
protected:
    void SetUp() override {
        asked = 0;
        stopAt = 1 << 30;
    }
};

TEST_F(Interrupt, EndsReading) {
    Compiler compiler;
    ASSERT_EQ(Compiler::Outcome::ok, compiler.read(manyActions(), "public", Limits(), stopping));
    ASSERT_GT(asked, 0);
    for (stopAt = asked; stopAt > 0; stopAt--) {
        asked = 0;
        Compiler again;
        EXPECT_EQ(Compiler::Outcome::interrupted, again.read(manyActions(), "public", Limits(), stopping));
    }
}

TEST_F(Interrupt, EndsBinding) {
    auto bind = [](Compiler& compiler) {
        EXPECT_EQ(Compiler::Outcome::ok, compiler.read(manyActions(), "public", Limits(), stopping));
        EXPECT_EQ(Compiler::Outcome::ok, compiler.add({}, Limits(), stopping));
        std::vector<ExpressionFacts> facts(compiler.expressions().size());
        for (ExpressionFacts& one : facts)
            one.ok = one.isLiteral = true, one.literalType = "boolean", one.literalValue = "true";
        CatalogView catalog;
        for (const std::string& type : compiler.typeTexts())
            catalog.types[type] = {true, "integer", "", ""};
        int before = asked;
        Compiler::Outcome outcome = compiler.build(catalog, facts);
        if (outcome == Compiler::Outcome::ok) outcome = compiler.bind({});
        asked -= before;
        return outcome;
    };
    Compiler whole;
    ASSERT_EQ(Compiler::Outcome::ok, bind(whole));
    EXPECT_FALSE(whole.diagnostics().hasErrors());
    // Each action's trigger, each expression, and the search for cycles.
    EXPECT_GE(asked, 60);
    int all = asked;
    asked = 0;
    Compiler reading;
    ASSERT_EQ(Compiler::Outcome::ok, reading.read(manyActions(), "public", Limits(), stopping));
    int reads = asked;
    for (int at : {1, all / 2, all}) {
        asked = 0;
        stopAt = reads + at;
        Compiler stopped;
        EXPECT_EQ(Compiler::Outcome::interrupted, bind(stopped)) << at;
    }
}

}  // namespace

}  // namespace specql::test
