// Why a comparison with the reference may fail though the tested action does what it should: what it writes sets it off
// again, or others change the same rows, in another order. The trial of the rows finds out.
#pragma once

#include <string>
#include <vector>

#include "testgen/stage.hpp"

namespace specql::testgen {

// Remembers the moment from which on events count.
std::string markSql();

// Queries that give a reason after so many events, if one of these has happened. Without a step only the number of the
// events is in doubt.
std::vector<std::string> doubts(const resolve::Resolver& resolver, const Stage& stage,
                                const resolve::ResolvedStep* step, int events);

}  // namespace specql::testgen
