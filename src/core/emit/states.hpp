// What keeps the states of an entity's rows to their transitions.
#pragma once

#include <string>
#include <vector>

#include "model/object.hpp"
#include "resolve/resolver.hpp"

namespace specql::emit {

// The function that refuses, and the triggers that call it for what they do not let pass by themselves; nothing if the
// entity has no states.
std::vector<Object> stateObjects(resolve::World& world, const resolve::Resolver& resolver,
                                 const resolve::EntityInfo& entity);

// "draft → asked, if days > 0": one for each transition of the entity, with the line that it stands on.
struct ToldTransition {
    std::string on, sentence;
    uint32_t line = 0;
};
std::vector<ToldTransition> tellTransitions(const resolve::World& world, const resolve::EntityInfo& entity);

}  // namespace specql::emit
