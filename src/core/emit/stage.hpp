// The functions of one step of a process: what it does, and what undoes that. Both are given the parameters of the
// process and what its steps so far gave, as JSON, and declare what they use of it as variables.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "emit/function.hpp"
#include "emit/steps.hpp"

namespace specql::emit {

// What a step keeps, in its result, for what undoes it.
struct KeptForUndo {
    std::set<std::string> columns;                      // of the rows that it wrote
    std::set<std::pair<size_t, std::string>> contexts;  // of rows that parameters lead to: values as they were then
    bool rows = false;                                  // which rows they were
};

class StageEmitter {
public:
    // `place`: of the step in the process, from 0.
    StageEmitter(resolve::World& world, const resolve::Resolver& resolver, const resolve::ResolvedAction& action,
                 size_t place);

    FunctionText does(const KeptForUndo& kept);
    // What undoes it; none if nothing does.
    std::optional<FunctionText> undoes(KeptForUndo& kept);

    static std::string functionName(const resolve::ResolvedAction& action, const spec::Step& stage);
    static std::string undoName(const resolve::ResolvedAction& action, const spec::Step& stage);
    // The call that undoes it; null if something else does.
    static const resolve::ResolvedStep* undoCall(const resolve::ResolvedStep& stage);

private:
    std::string value(const resolve::Value& value);
    std::string resultSql(const resolve::Value& value, const std::string& step) const;
    std::string declared(const std::string& wanted, const std::string& type, const std::string& sql);
    std::string readContexts();
    std::string keptContexts();
    std::string payload(const resolve::ResolvedStep& call);
    std::string unless(const resolve::BoundExpression& condition);
    std::string body(const KeptForUndo& kept);
    std::string choices();
    std::vector<std::string> awaited();
    std::string run(const KeptForUndo& kept, std::string& result);
    std::string write(const resolve::ResolvedStep& step, const KeptForUndo& kept, std::string& result);
    std::string test(const resolve::ResolvedStep& step);
    std::string usedThen(const KeptForUndo& kept);
    std::string undoSteps(const std::vector<resolve::ResolvedStep>& steps, KeptForUndo& kept);
    std::string undoRows(const resolve::ResolvedStep& step, KeptForUndo& kept);
    FunctionText function(const std::string& name, const std::string& what, const std::string& body);

    resolve::World& world_;
    const resolve::Resolver& resolver_;
    const resolve::ResolvedAction& action_;
    const resolve::ResolvedStep& stage_;
    const size_t place_;
    const std::string key_;  // of its result, quoted
    Printer printer_;
    StepEmitter steps_;
    std::map<std::string, std::string> variables_;  // by what they hold
    std::vector<std::string> declarations_;
    std::set<std::pair<size_t, std::string>> contexts_;  // columns of rows that are read
};

}  // namespace specql::emit
