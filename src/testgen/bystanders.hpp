// Rows that a sentence does not mean stay as they are: what a step does beside what it should.
#pragma once

#include <string>
#include <vector>

#include "testgen/writer.hpp"

namespace specql::testgen {

class Bystanders {
public:
    Bystanders(Writer& writer, const Stage& stage) : writer_(writer), stage_(stage) {}

    // Before the event: rows like those that the steps of the arm are about, with keys of their own. They are there,
    // but for one like the row that an insertion brings. `mine` are the values of the event itself.
    void watch(const Arm& arm, const Stage::Render& mine, const Stage::Render& others);
    // Afterwards.
    void check();

    // Tests of their own: a row for which a part of a step's WHERE does not hold, and all else does. `condition` is the
    // arm's, `fixture` values for which it holds.
    void strangers(const Arm& arm, const std::string& condition, const Fixture& fixture);

private:
    struct Watched {
        std::string description, key, row, setting;
        const resolve::ResolvedStep* step;
    };

    void watchStep(const PlacedStep& placed, const Arm& arm, const Stage::Render& mine, const Stage::Render& others);
    void watchRow(const resolve::ResolvedStep& step, const std::string& key, const std::string& description);
    void excuseSteps(const Watched& watched, const Stage::Render& mine);
    void stranger(const resolve::ResolvedStep& step, const Arm& arm, const std::string& condition,
                  const Fixture& fixture, const spec::Atom& atom);

    Writer& writer_;
    const Stage& stage_;
    std::vector<Watched> watched_;
};

}  // namespace specql::testgen
