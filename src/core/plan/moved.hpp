// Tables of specs that somebody renamed or moved to another schema: what the record says of them, in today's names.
#pragma once

#include "resolve/resolver.hpp"

namespace specql::plan {

// Gives the objects of a moved table the names of today, if the new text says the new place, or its unit is, or goes,
// out of force. To be called before anything is looked up by these names.
void followMoved(CatalogView& catalog, const resolve::World& world);

// Does the SQL hold this name, as quoteName() writes it, as a whole?
bool holdsName(const std::string& sql, const std::string& name);

// The lines of a YAML text but for descriptions, and what is indented under them, and comments.
std::string withoutDescriptions(const std::string& text);

// Reports what of the new text refers to entities whose tables are not where their specs say.
void reportMoved(resolve::World& world, resolve::Resolver& resolver);

}  // namespace specql::plan
