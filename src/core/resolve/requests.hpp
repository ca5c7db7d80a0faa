// What PostgreSQL's analyser is asked about expressions, and what its answers mean.
#pragma once

#include <map>
#include <vector>

#include "resolve/action.hpp"

namespace specql::resolve {

class Requests {
public:
    explicit Requests(World& world) : world_(world) {}

    // Gives the expression its request, unless something in it is refused already.
    void add(BoundExpression& bound);
    // An interval, which PostgreSQL's parser was given as a literal. What the analyser says is reported of `text`.
    void addInterval(const ActionInfo& action, int expression, const Text& text);
    // Reports type errors, each once.
    void take(const std::vector<AnalysisResult>& results);

    const std::vector<AnalysisRequest>& list() const { return list_; }
    const std::vector<AnalysisResult>& results() const { return results_; }

private:
    void checkMoments();

    World& world_;
    std::vector<AnalysisRequest> list_;
    std::map<int, Text> intervals_;  // by expression
    std::vector<AnalysisResult> results_;
};

}  // namespace specql::resolve
