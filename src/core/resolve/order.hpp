// In which order actions run that one statement, or one custom event, sets off: by `order:`, then invariants, then the
// order of the text, and what was applied earlier first. The server sorts by the same; see pg/capture/registry.hpp.
#pragma once

#include "resolve/resolver.hpp"

namespace specql::resolve {

// Gives every action of the world its place. Those of the fresh text stand in the text's order: as many as do already
// keep the places they have, so that an apply changes as little as can be, and the others stand behind the one that is
// written before them. A text of which nothing was applied before stands at the end. Places of actions that are gone
// are kept for when they come back.
void placeActions(World& world);

// Adds to the explanations in which turn each action runs that shares its event with others.
void explainOrder(World& world, const Resolver& resolver);

}  // namespace specql::resolve
