// What the steps of a match do is what the reference does, also when they are tried again after a failure.
#pragma once

#include "testgen/reference.hpp"
#include "testgen/window_play.hpp"

namespace specql::testgen {

// The steps for matches, or those for what was not completed in time.
class MatchSteps {
public:
    // Asks for the values that the steps need in a match of these events, which is made when so much time has passed.
    MatchSteps(WindowEvents& events, bool onTimeout, Kinds kinds, time::Micros wait);

    // A test for each way through the steps.
    void write();
    // A match whose steps fail is logged and tried again; its events are used up all the same.
    void writeFailure(const std::string& label);

private:
    struct Way {
        Arm arm;
        Fixture fixture;
        std::string why;  // there is none
    };
    void search(Way& way);
    void nameMatch(const WindowPlay* play);
    Stage::Render render(const Fixture& fixture, int number) const;
    void arrange(const Way& way, WindowPlay& play);
    std::string evaluate() const;

    WindowEvents& events_;
    Writer& writer_;
    const Kinds kinds_;
    const time::Micros wait_;
    resolve::ResolvedAction action_;  // with only these steps
    Stage stage_;
    std::vector<int> keys_;  // dimensions
    std::vector<Way> ways_;
    Stage::Render literal_;  // of the test that is being written
    std::optional<Reference> reference_;
};

}  // namespace specql::testgen
