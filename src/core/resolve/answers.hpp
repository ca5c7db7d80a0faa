// What is done with the answers to the calls of an action: steps that are handled as events of their own, about what
// the call was of.
#pragma once

#include <string>

#include "resolve/resolver.hpp"

namespace specql::resolve {

// Adds to the resolver's actions what the calls of an action that was resolved under this binding say of their answers.
// Their functions are named after `base`.
void addAnswers(Resolver& resolver, World& world, const ActionInfo& action, const Binding& binding,
                const std::string& base);

// The service of an event that tells of answers, payments of payments.charge.succeeded; empty for other events.
std::string answeringService(const World& world, const std::string& event);
// Is the event named as those are?
bool isNamedAsAnswer(const std::string& event);

}  // namespace specql::resolve
