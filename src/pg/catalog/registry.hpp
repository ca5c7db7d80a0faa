// Reads and writes what was applied: the tables specql.spec, unit, unit_version, object and moved_table.
#pragma once

#include "model/facts.hpp"
#include "model/object.hpp"
#include "pg/compat.hpp"

namespace specql::catalog {

// All functions run as the extension's owner and need an SPI connection. Arguments with destructors must be held.

// The units in force.
void readUnits(std::vector<InstalledUnit>* units);
// Waits until no other transaction is about to rename, move or drop a table of these units: what is read before such a
// commit does not fit what is read after it. Holds nothing up itself.
void awaitTables(const std::vector<InstalledUnit>& units);
// The recorded objects, in the order of their recording, with `present` looked up in the catalog.
void readObjects(std::vector<InstalledObject>* objects);
// The tables that were renamed or moved to another schema since they were recorded.
void readMoved(std::vector<MovedTable>* moved);
// Looks up `present` of objects that are recorded under another name, by their present name.
void lookUpMoved(std::vector<InstalledObject>* objects);

// The positions of actions in the specs, by name; also of actions that were removed.
void readPlaces(std::map<std::string, Place>* places);

// Sets `altered` of the objects of these units that somebody has changed since they were applied.
void markAltered(const std::vector<InstalledUnit>& units, std::vector<InstalledObject>* objects);

// Records an apply by `caller` after its steps were run. Writes nothing if no unit differs from `before`, no object was
// moved and no step changed anything.
void recordApply(const std::string& text, Oid caller, const std::vector<InstalledUnit>& before,
                 const std::vector<InstalledUnit>& after, const std::vector<InstalledObject>& objects,
                 const std::vector<PlanStep>& steps);

// Records the removal of units, given as kind:schema.name.
void recordRemoval(const std::vector<std::string>& units, Oid caller, const std::vector<InstalledObject>& objects,
                   const std::vector<PlanStep>& steps);

}  // namespace specql::catalog
