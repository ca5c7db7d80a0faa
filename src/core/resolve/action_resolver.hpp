// Resolves one action under one binding.
#pragma once

#include <string>

#include "resolve/coordinated.hpp"
#include "resolve/process.hpp"
#include "resolve/steps.hpp"

namespace specql::resolve {

class ActionResolver {
public:
    ActionResolver(Resolver& resolver, World& world, const ActionInfo& action, const Binding& binding, bool withKeys);
    ActionResolver(const ActionResolver&) = delete;

    ResolvedAction run();
    // The listener that feeds the window's terms of this source.
    ResolvedAction runFeed(const Window& window, const std::string& source);
    // What is done with the answers of this type to a call of the action, whose functions are named after `base`.
    ResolvedAction runAnswer(const std::vector<spec::Step>& steps, const std::string& type, const std::string& base);

private:
    void bindFunction();
    // Parameters that are declared come as they are declared, then the others as they are used.
    void orderParameters();
    // A bulk operation is a function: nothing says which event called it, if one did. Before a row is written there is
    // none yet.
    void refuseEventNames();
    void inferPayloadTypes();
    // Keys of a payload that nobody declares, and that are nearly something known.
    void checkKeys();
    void explain();

    ActionContext context_;
    World& world_;
    const ActionInfo& action_;
    ResolvedAction& result_;
    const bool function_;
    EventScope event_{context_};
    PayloadTypes types_{context_, event_};
    Names names_{context_, event_};
    SqlWords sqlWords_{context_, event_, names_};
    WhereChecks where_{context_, event_, names_, sqlWords_};
    WordChecks words_{context_, event_, names_};
    ExpressionBinder expressions_{context_, event_, types_, names_, sqlWords_, words_};
    StepBinder steps_{context_, event_, types_, names_, expressions_, where_, words_};
    CoordinatedBinder coordinated_{context_, event_, types_, expressions_, where_, steps_};
    ProcessBinder process_{context_, event_, types_, expressions_, steps_};
};

}  // namespace specql::resolve
