// Private fields, and columns that a spec does not declare: what of a row leaves its table in an event.
#pragma once

#include "resolve/resolver.hpp"

namespace specql::resolve {

bool isPrivate(const ColumnInfo& column);
bool hasPrivate(const EntityInfo& entity);
// Do its events carry the declared fields only? Then these are the columns that they have, beside those of the key.
bool carriesDeclared(const EntityInfo& entity);
// The columns of the table that are known to leave it, in their order: for whoever makes JSON of a row by himself.
std::vector<std::string> leavingColumns(const EntityInfo& entity);

// Does the action have to do with private fields: does it read one, or is it about rows, or does it write rows, that
// have some? Then texts of its errors may quote them.
bool mayTellPrivate(const Resolver& resolver, const ResolvedAction& action);

// Reports what would carry the value of a private field out of its table, and what would need a row that events do not
// carry as a whole.
void checkPrivacy(World& world, const Resolver& resolver);

}  // namespace specql::resolve
