// What was resolved to the objects that should exist, as SQL text formatted for people.
#pragma once

#include <string>
#include <vector>

#include "emit/printer.hpp"
#include "model/object.hpp"
#include "resolve/resolver.hpp"

namespace specql::emit {

// All objects that the world wants, in the order in which they can be created: schemas, tables, constraints and
// indexes, functions, triggers, registrations.
std::vector<Object> emitObjects(resolve::World& world, resolve::Resolver& resolver);

// --- pieces, each in a file of its own ---------------------------------------------------------------------------

// CREATE TABLE with its comments; `columnSql` is one column's line, for ALTER TABLE … ADD COLUMN too.
Object tableObject(const resolve::World& world, const resolve::Resolver& resolver, const resolve::EntityInfo& entity);
std::string columnSql(const resolve::World& world, const resolve::Resolver& resolver, const resolve::EntityInfo& entity,
                      const resolve::ColumnInfo& column);
// The expression of a column's default; empty if it has none.
std::string columnDefault(const resolve::World& world, const resolve::Resolver& resolver,
                          const resolve::EntityInfo& entity, const resolve::ColumnInfo& column);
// The CHECK constraints of its fields.
struct TableCheck {
    std::string name, condition;
    const resolve::ColumnInfo* column;
    std::string sql() const;  // CONSTRAINT name CHECK (condition)
};
std::vector<TableCheck> tableChecks(const resolve::World& world, const resolve::Resolver& resolver,
                                    const resolve::EntityInfo& entity);
// Foreign keys and indexes; for append-only logs the trigger that keeps them so.
std::vector<Object> tableExtras(resolve::World& world, const resolve::Resolver& resolver,
                                const resolve::EntityInfo& entity);
// inventory.create_inventory_event(…) of an entity with an event_type enum; none otherwise.
std::vector<Object> eventFunction(resolve::World& world, const resolve::EntityInfo& entity);
// Capture, rows, handler and trigger or registration of one resolved action.
void emitAction(resolve::World& world, const resolve::Resolver& resolver, const resolve::ResolvedAction& action,
                std::vector<Object>& functions, std::vector<Object>& triggers);
// Does a condition or a step, or a bulk operation that a step calls, use caller? Then the log keeps the caller of its
// events.
bool usesCaller(const resolve::World& world, const resolve::Resolver& resolver, const resolve::ResolvedAction& action);
// The function of a bulk operation, and what calls it when its trigger is raised.
Object bulkFunction(const resolve::World& world, const resolve::Resolver& resolver,
                    const resolve::ResolvedAction& action);
// The registration of a window or correlation: its terms, and how they are joined.
Object windowObject(const resolve::ResolvedAction& action);
// Where the history of the events stands that the fresh windows and correlations count.
std::vector<WindowHistory> windowHistories(const resolve::World& world, const resolve::Resolver& resolver);
// Adds to the world's explanations what each step of the fresh actions does, in a sentence.
void explainSteps(resolve::World& world, const resolve::Resolver& resolver);
// The registration of a service.
Object serviceObject(const resolve::Unit& unit);

// --- shared by them ----------------------------------------------------------------------------------------------

// A generated function: SECURITY DEFINER with a search path nobody can capture, closed to PUBLIC.
struct FunctionText {
    std::string schema, name;
    std::string identityArguments;  // "uuid, integer"
    std::string arguments;          // "p_product_id uuid, …"
    std::string returns;
    std::string language;    // plpgsql or sql
    std::string attributes;  // STABLE, …
    std::string body;        // of a plpgsql function: the whole block; of an atomic one: its statement
    bool definer = true;
    bool atomic = false;  // BEGIN ATOMIC … END instead of a quoted body
    std::string comment;
};
Object functionObject(const FunctionText& text, const std::string& unit);
// "a, b, c" broken over lines of at most 100 columns, each moved right by `spaces`.
std::string wrapList(const std::vector<std::string>& items, size_t spaces);

}  // namespace specql::emit
