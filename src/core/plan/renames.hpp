// renamed_from: what is in the database under a former name gets its new one before anything else is looked at, as if
// somebody had renamed it by hand.
#pragma once

#include "model/object.hpp"
#include "model/rename.hpp"
#include "resolve/world.hpp"

namespace specql::plan {

// One for each renamed_from of the new text, in the order in which they are to be done. Reports those that say nothing
// that could be done.
std::vector<RenameQuestion> askOfRenames(resolve::World& world);

// Reports what installed texts say of actions and services by their former names. What they say of entities and fields
// is found out when it is resolved.
void reportFormerNames(resolve::World& world, const std::vector<RenameQuestion>& questions);

// The steps, none or one, that give it its new name. Reports that both are there.
std::vector<PlanStep> rename(resolve::World& world, const RenameQuestion& question, const RenameAnswer& answer);

}  // namespace specql::plan
