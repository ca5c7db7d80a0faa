// What PostgreSQL's analyser is asked about expressions, and what its answers mean.
#pragma once

#include <map>
#include <vector>

#include "resolve/action.hpp"

namespace specql::resolve {

class Requests {
public:
    explicit Requests(World& world) : world_(world) {}

    // Gives the expression its request, unless something in it is refused already. `locals` are those of its action;
    // what a name among them is given is added before the name is used.
    void add(BoundExpression& bound, std::vector<LocalValue>& locals);
    // An interval, which PostgreSQL's parser was given as a literal. What the analyser says is reported of `text`.
    void addInterval(const ActionInfo& action, int expression, const Text& text);
    // A time zone; the literal is a time there.
    void addZone(int expression, const Text& text);
    // Reports type errors, each once.
    void take(const std::vector<AnalysisResult>& results);

    const std::vector<AnalysisRequest>& list() const { return list_; }
    const std::vector<AnalysisResult>& results() const { return results_; }

private:
    void checkMoments();

    World& world_;
    std::vector<AnalysisRequest> list_;
    // What is reported if PostgreSQL does not understand a literal.
    struct Literal {
        Text text;
        Code code;
        std::string message, hint;
    };
    void addLiteral(int expression, const char* type, Literal literal);

    std::map<int, Literal> literals_;  // by expression
    std::vector<AnalysisResult> results_;
};

}  // namespace specql::resolve
