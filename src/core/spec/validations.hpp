// validations: of an action, what must hold before anything is done.
#pragma once

#include "spec/context.hpp"

namespace specql::spec {

// A list of conditions, and of rules for the elements of a bulk operation.
void readValidations(ReadContext& context, const yaml::Node& node, Action& action);
// The test of the rule unique: no row of the entity has the element's value, but its own row.
Step uniqueTest(ReadContext& context, const FieldRule& rule, const std::string& entity, const std::string& ownRow);
// payload.field: a value of the element, as an expression names it.
std::string elementValue(const std::string& field);

}  // namespace specql::spec
