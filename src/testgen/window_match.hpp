// What the steps of a match must have done.
#pragma once

#include "testgen/reference.hpp"
#include "testgen/window_play.hpp"

namespace specql::testgen {

// The steps for matches, or those for what was not completed in time.
class MatchSteps {
public:
    MatchSteps(WindowEvents& events, bool onTimeout);

    const std::vector<Arm>& arms() const { return arms_; }
    // Values for an arm and a match of so many events; none, and why.
    Fixture search(size_t arm, size_t count, std::string& why);
    // Why it cannot be said that a match of these events takes the arm; empty if it can.
    std::string undecided(size_t arm, const std::vector<size_t>& kinds);
    // Rows that the steps read and write, before the events of the key.
    void fixture(const Fixture& fixture, int key, const std::vector<size_t>& kinds);
    // What is there before the match is counted.
    void before(size_t arm, const WindowPlay& play, size_t count);
    // What the steps do, counted from here, is compared with what the spec says.
    void compare();
    void check();
    // A match whose steps failed does what it would have done when it is tried again: the first step that shows.
    void checkRetried(const std::string& message);

private:
    Stage::Render render(const Fixture& fixture, int key) const;
    void findPresent(const std::vector<size_t>& kinds);
    void completePresent(const Stage::Render& literal);

    std::string ofMatch(const std::string& column, const WindowPlay& play) const;
    void speak(const WindowPlay* play, size_t count);
    std::string evaluate() const;

    WindowEvents& events_;
    Writer& writer_;
    resolve::ResolvedAction action_;  // with only these steps
    Stage stage_;
    std::vector<Arm> arms_;
    Stage::Render literal_, others_, full_;
    int key_ = 0;
    // Rows that the events are about: by dimension the source and its own dimension that say the value, and the columns
    // that they leave open.
    std::map<int, std::pair<size_t, int>> ofEvent_;
    std::map<int, std::vector<std::string>> open_;
    std::map<int, std::string> keys_;

    size_t which_ = 0;
    std::optional<Reference> reference_;
    // By table, a row that the steps do not mean, and the setting that keeps it as it was.
    std::map<std::string, std::pair<std::string, std::string>> kept_;
};

}  // namespace specql::testgen
