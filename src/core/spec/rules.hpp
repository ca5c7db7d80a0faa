// Rules for the values of fields: {field: price, rule: range, min: 0, error: too_cheap}.
#pragma once

#include "spec/context.hpp"

namespace specql::spec {

// What a rule may be. `unique` asks for other rows, which only some places know.
extern const Words plainRules, allRules;

// How an expression names the value of a field, for example payload.price.
using FieldValue = std::string (*)(const std::string& field);

// A rule that is one of `kinds`; {condition: …} alone is `custom`. One that is wrong is reported, and without a rule.
FieldRule readRule(ReadContext& context, const yaml::Node& node, const Words& kinds, FieldValue value);
// The step that tests a condition under the message of the rule.
Step ruleTest(ReadContext& context, const FieldRule& rule, const Text& condition);

}  // namespace specql::spec
