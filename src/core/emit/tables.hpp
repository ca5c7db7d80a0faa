// Entities to tables, constraints, indexes, and the function that creates an event row.
#pragma once

#include <vector>

#include "model/object.hpp"
#include "resolve/resolver.hpp"

namespace specql::emit {

// CREATE TABLE with its comments, and the shape that it gives the table.
Object tableObject(const resolve::World& world, const resolve::Resolver& resolver, const resolve::EntityInfo& entity);
// The expression of a column's default; empty if it has none.
std::string columnDefault(const resolve::World& world, const resolve::Resolver& resolver,
                          const resolve::EntityInfo& entity, const resolve::ColumnInfo& column);
// Foreign keys, unique constraints and indexes; for append-only logs the trigger that keeps them so; and for
// partitioned tables what makes their partitions.
std::vector<Object> tableExtras(resolve::World& world, const resolve::Resolver& resolver,
                                const resolve::EntityInfo& entity);
// The name, which is made of parts. One that does not fit PostgreSQL's 63 bytes is reported, and never cut.
std::string madeName(resolve::World& world, const resolve::EntityInfo& entity, Pos pos, const std::string& name);
// inventory.create_inventory_event(…) of an entity with an event_type enum; none otherwise.
std::vector<Object> eventFunction(resolve::World& world, const resolve::EntityInfo& entity);

}  // namespace specql::emit
