// Bulk operations: what the elements of their array must be, and what is done with those that are not.
#pragma once

#include "spec/context.hpp"

namespace specql::spec {

bool isBulk(const Action& action);
// True if the steps of a bulk operation are those that its operation: and fields: say.
bool isByFields(const Action& action, const yaml::Node& node);
// The keys of an action that are about its elements, or that are errors at any other. Its branches are read.
void readBatch(ReadContext& context, const yaml::Node& node, Action& action);
// What bulk operations without steps do to rows of the entity that they stand in. Null: they stand in none.
void completeBatches(ReadContext& context, const Entity* entity, std::vector<Action>& actions);

}  // namespace specql::spec
