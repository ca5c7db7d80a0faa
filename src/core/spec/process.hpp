// What readers of processes share, whatever pattern they are of: steps by their names, in one list.
#pragma once

#include "spec/context.hpp"

namespace specql::spec {

// The steps of a process as they are read. Each is given the place in which it stands, from 1.
class Stages {
public:
    Stages(ReadContext& context, std::vector<Step>& steps) : context_(context), steps_(steps) {}

    // The name of a step, which no other one has; not present if it is none.
    Text name(const yaml::Node& node, const char* key, const Words& known, const std::string& what);
    // Adds one, and tells its place. A reference to one before holds until another is added.
    int add(const Text& name, Pos pos, StageKind kind, int parent);
    Step& at(int place) { return steps_[static_cast<size_t>(place - 1)]; }
    int count() const { return static_cast<int>(steps_.size()); }
    // The place of the step with this name; 0 if there is none.
    int find(const std::string& name) const;
    // When all are there: a step that chooses others says so of them. They stand below it, and no other chooses them.
    void link();

private:
    void choose(int chooser, const Text& name);

    ReadContext& context_;
    std::vector<Step>& steps_;
};

// How often a step is tried again, and how long it may take; false if what is said is wrong.
void readPatience(ReadContext& context, const yaml::Node& node, Stage& stage);
// Steps at a key: a list, or one alone; each as in any action, or as action:, entity:, fields:.
std::vector<Step> readPlainSteps(ReadContext& context, const yaml::Node& node, const char* key);
// [{condition, steps}]: what each holds is which steps are done; without a condition, else.
void readChoices(ReadContext& context, const yaml::Node& branches, Step& step);

}  // namespace specql::spec
