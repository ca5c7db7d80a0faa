// What was applied: the extension's own tables specql.spec, unit, unit_version and object.
#pragma once

#include "model/facts.hpp"
#include "model/object.hpp"
#include "pg/compat.hpp"

namespace specql::catalog {

// All of these read and write as the extension's owner, need an SPI connection, and want held arguments.

void readUnits(std::vector<InstalledUnit>* units);
// With `present` looked up in the catalog. Objects come in the order in which they were recorded.
void readObjects(std::vector<InstalledObject>* objects);
void readMoved(std::vector<MovedTable>* moved);
// Looks up `present` of those that are recorded under another name.
void lookUpMoved(std::vector<InstalledObject>* objects);

// Where actions stand in the order of the texts; also those that are gone.
void readPlaces(std::map<std::string, Place>* places);

// Tells `altered` of the objects of these units, which an apply made and somebody changed since.
void markAltered(const std::vector<InstalledUnit>& units, std::vector<InstalledObject>* objects);

// The new state after the steps of an apply were run by `caller`. Writes nothing when no unit differs from `before`, no
// object was moved and no step did anything.
void recordApply(const std::string& text, Oid caller, const std::vector<InstalledUnit>& before,
                 const std::vector<InstalledUnit>& after, const std::vector<InstalledObject>& objects,
                 const std::vector<PlanStep>& steps);

// The same after units, kind:schema.name, were taken away.
void recordRemoval(const std::vector<std::string>& units, Oid caller, const std::vector<InstalledObject>& objects,
                   const std::vector<PlanStep>& steps);

}  // namespace specql::catalog
