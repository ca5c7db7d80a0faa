// Who refers to units that shall go: what is referred to cannot be removed.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "resolve/resolver.hpp"

namespace specql::resolve {

// One sentence for each reference from a unit that stays to one of `units`, which are keys of units:
// "ta.Ticket.agent refers to ta.Agent", "action ta.on_x updates ta.Agent". To be asked after Resolver::applyResults().
// `freshOnly`: from units of the new text alone.
std::vector<std::string> referencesTo(World& world, Resolver& resolver, const std::set<std::string>& units,
                                      bool freshOnly = false);

}  // namespace specql::resolve
