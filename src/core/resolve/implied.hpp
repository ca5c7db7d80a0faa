// Entities that nobody declares: logs and rows that are made from the steps that write them.
#pragma once

#include <string>
#include <vector>

#include "resolve/action.hpp"

namespace specql::resolve {

class ImpliedEntities {
public:
    explicit ImpliedEntities(World& world) : world_(world) {}

    // Adds them to the world, with columns that have no type yet.
    void add();
    // The steps of the action say what the columns are made from.
    void note(const ResolvedAction& action);
    // Gives every column its type; text if nothing says more.
    void giveTypes(const std::vector<AnalysisResult>& results);

private:
    struct Column {
        EntityInfo* entity;
        std::string name;
        int request;
    };
    void addFrom(const ActionInfo& action, const std::vector<spec::Step>& steps);
    void noteSteps(const std::vector<ResolvedStep>& steps);

    World& world_;
    std::vector<Column> columns_;
};

}  // namespace specql::resolve
