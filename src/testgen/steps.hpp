// What single steps do, as several parts of a suite ask it.
#pragma once

#include <functional>
#include <string>

#include "resolve/resolver.hpp"

namespace specql::testgen {

using VisitStep = std::function<void(const resolve::ResolvedStep&)>;
// A step, those within it, and those of an action that it calls; or all that an action has.
void visitSteps(const resolve::Resolver& resolver, const resolve::ResolvedStep& step, const VisitStep& visit);
void visitSteps(const resolve::Resolver& resolver, const resolve::ResolvedAction& action, const VisitStep& visit);

bool insertsRow(const resolve::ResolvedStep& step);
// Whether what a step does by itself, or its inner steps do, can be seen afterwards.
bool isSeen(const resolve::ResolvedStep& step);
// Rows that are there already: a find, a foreach of rows, a lock.
bool looksForRows(const resolve::ResolvedStep& step);
// Updates or deletes.
bool writesRows(const resolve::ResolvedStep& step);
// What a step does to a row, as a bit of Op; 0 if nothing.
unsigned operationOf(const resolve::ResolvedStep& step);
// Whether what a step does is an event for what is bound.
bool hears(const resolve::Binding& binding, const resolve::ResolvedStep& step);

// What a step gives: columns and keys, arguments, and what stands in its texts.
std::vector<const resolve::BoundExpression*> valuesOf(const resolve::ResolvedStep& step);
// What a step gives a column; null if it does not.
const resolve::BoundAssignment* assignmentOf(const resolve::ResolvedStep& step, const std::string& column);
// A constant that a column is given, as SQL; empty if it is none.
std::string literalOf(const resolve::World& world, const resolve::BoundAssignment& assignment);

}  // namespace specql::testgen
