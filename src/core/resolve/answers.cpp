#include "resolve/answers.hpp"

#include <algorithm>

#include "resolve/action_resolver.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

namespace {

constexpr const char* succeeded = ".succeeded";
constexpr const char* failed = ".failed";

// A call, and whether it stands in a loop.
struct Call {
    const spec::Step* step;
    bool inLoop;
    std::string operation() const { return step->target.value + "." + step->message.value; }
    bool isAnswered() const { return !step->onResponse.empty() || !step->onFailure.empty(); }
};

void collect(const std::vector<spec::Step>& steps, bool inLoop, std::vector<Call>& calls) {
    for (const spec::Step& step : steps) {
        if (step.kind == spec::StepKind::callExternal) calls.push_back({&step, inLoop});
        collect(step.then, inLoop || step.kind == spec::StepKind::foreach || step.kind == spec::StepKind::each, calls);
        collect(step.otherwise, inLoop, calls);
        collect(step.onResponse, inLoop, calls);
        collect(step.onFailure, inLoop, calls);
    }
}

std::vector<Call> callsOf(const spec::Action& action) {
    std::vector<Call> calls;
    for (const spec::Branch& branch : action.branches) {
        collect(branch.steps, false, calls);
        collect(branch.otherwise, false, calls);
    }
    collect(action.onTimeout, false, calls);
    return calls;
}

bool check(World& world, const ActionInfo& action, const std::vector<Call>& calls, const Call& call) {
    if (call.inLoop || isFunction(action)) {
        world.report(*action.file, Code::R156, call.step->pos,
                     std::string("no steps can be done with the answers to calls ") +
                         (takesRows(action)    ? "of a bulk operation, which are made for each row"
                          : isFunction(action) ? "of a function, which has no event that they could belong to"
                                               : "in a foreach, which are made for each element"),
                     "let another action listen to the answers: trigger: " + call.operation() + succeeded);
        return false;
    }
    auto isSame = [&](const Call& other) { return other.operation() == call.operation(); };
    if (std::count_if(calls.begin(), calls.end(), isSame) == 1) return true;
    world.report(*action.file, Code::R155, call.step->pos,
                 "calls of " + call.operation() + " stand twice in " + action.spec->name.value +
                     ": their answers cannot be told apart",
                 "give one of them an operation of its own");
    return false;
}

// The operation, and where two services have one of that name, the service too.
std::string wordOf(const std::vector<Call>& calls, const Call& call) {
    std::string word = snakeCase(call.step->message.value);
    bool isShared = std::any_of(calls.begin(), calls.end(), [&](const Call& other) {
        return other.isAnswered() && other.step != call.step && snakeCase(other.step->message.value) == word;
    });
    return isShared ? snakeCase(call.step->target.value) + "_" + word : word;
}

}  // namespace

void addAnswers(Resolver& resolver, World& world, const ActionInfo& action, const Binding& binding,
                const std::string& base) {
    std::vector<Call> calls = callsOf(*action.spec);
    for (const Call& call : calls) {
        if (!call.isAnswered() || !check(world, action, calls, call)) continue;
        std::string word = base + "_" + wordOf(calls, call);
        auto add = [&](const std::vector<spec::Step>& steps, const char* outcome, const char* name) {
            if (steps.empty()) return;
            ResolvedAction answer = ActionResolver(resolver, world, action, binding, true)
                                        .runAnswer(steps, call.operation() + outcome, word + name);
            world.checkName(*action.file, handlerName(answer), call.step->pos, "the generated function");
            resolver.actions.push_back(std::move(answer));
        };
        add(call.step->onResponse, succeeded, "_response");
        add(call.step->onFailure, failed, "_failure");
    }
}

bool isNamedAsAnswer(const std::string& event) {
    std::string call;
    for (const char* outcome : {succeeded, failed})
        if (endsWith(event, outcome)) call = event.substr(0, event.size() - std::string(outcome).size());
    return call.find('.') != std::string::npos;
}

std::string answeringService(const World& world, const std::string& event) {
    if (!isNamedAsAnswer(event)) return {};
    for (const Unit& unit : world.units)
        if (unit.kind == "service" && event.compare(0, unit.name.size() + 1, unit.name + ".") == 0) return unit.name;
    return {};
}

}  // namespace specql::resolve
