// The objects that specs want to exist, and the steps that bring a database there.
#pragma once

#include <string>
#include <vector>

#include "model/facts.hpp"
#include "text/diagnostic.hpp"

namespace specql {

// One database object (or registration) that a unit wants. Objects come in the order in which they can be created.
struct Object {
    ObjectKind kind = ObjectKind::schema;
    std::string identity;  // quoted and qualified: inventory.product, inventory.process_backorders(uuid), "t on
                           // inventory.product"
    std::string table;     // that a constraint, index or trigger is on, quoted and qualified
    std::string name;      // of a constraint or trigger, quoted: see nameOn()
    std::vector<std::string> commands;  // create it: one command each, formatted for people, each ending with ';'
    std::string unit;                   // kind:schema.name of the unit that wants it
    std::string detail;                 // a word for apply's detail column
    Pos pos;                            // of what wants it, in its own text; line 0: the whole unit
    std::string origin;                 // "entity house.Lamp", "action house.on_lit"
    std::string comment;                // that it is made with; it tells one that was left behind
    TableShape shape;                   // of a table
    std::vector<std::string> columns;   // of an index or a unique constraint: those without which it is gone
    bool forgets = false;               // a registration that begins by forgetting what was registered before
    bool replaceable = false;  // the commands may be run over an older version of it (CREATE OR REPLACE, registration)
    std::string signature;     // of a function: what CREATE OR REPLACE cannot change, "arguments) result"

    ObjectKey key() const { return {kind, identity}; }
    // Makes it the constraint or trigger `own`, quoted, on the table `of`.
    void nameOn(std::string own, std::string of);
    // The text that is recorded, and compared with the recorded one to see whether anything changed.
    std::string sql() const;
};

// Was this function generated for the object by an apply whose record is gone (DROP EXTENSION, a dump without data)?
// Then it is the caller's, under its identity, and says of itself what it is.
bool leftBehind(const Object& object, const FunctionView& function);
// Was this index or constraint, was this table?
bool leftBehind(const Object& object, const ExtraView& extra);
bool leftBehind(const Object& object, const TableView& table);

// What apply does, and what plan shows.
struct PlanStep {
    PlanAction action = PlanAction::unchanged;
    std::string detail;
    bool destructive = false;
    std::vector<std::string> sql;  // one command each; empty for unchanged and adopt
    std::vector<Pos> places;       // of the commands that stand for a field of their own; may be shorter than sql
    bool ofText = false;           // positions are in the text being applied
    Object desired;                // what it is about, and what to record afterwards; for drop: what tells it apart
};

// A window or correlation of the text, and where the history of its events stands.
struct WindowHistory {
    std::string action;
    std::string joined;      // "1 AND (2 OR NOT 3)"
    std::string terms;       // a JSON array
    std::string afterMatch;  // consume, edge or every
    std::string cooldown;    // an interval; empty if there is none
    bool onTimeout = false;
    std::vector<std::string> sources;  // queries: term, key, at, id, value
};

// A row of specql.explain().
struct Explanation {
    std::string action;  // inventory.on_stock_change
    std::string name;    // stock_level_changed, new_stock, …
    std::string resolvedTo;
    std::string rule;
    uint32_t line = 0;
};

}  // namespace specql
