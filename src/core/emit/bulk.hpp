// Bulk operations: a function over a set, called by name, by its trigger or from psql.
#pragma once

#include <string>
#include <vector>

#include "emit/printer.hpp"
#include "model/object.hpp"

namespace specql::emit {

// The function of a bulk operation, and what calls it when its trigger is raised.
Object bulkFunction(const resolve::World& world, const resolve::Resolver& resolver,
                    const resolve::ResolvedAction& action);

// What stands at the start of every function that people call: who may, and the rows that its parameters are keys of.
std::string requirement(const resolve::World& world, const resolve::ResolvedAction& action, Printer& printer);
bool speaksOfRows(const resolve::BoundExpression& bound);
// With `onlyRead` those of which no column is read are left out: who writes them finds out whether they are there.
std::string readContexts(const resolve::ResolvedAction& action, Printer& printer,
                         std::vector<std::string>& declarations, bool onlyRead = false);

}  // namespace specql::emit
