// The command that takes an object away, as its kind wants it; empty for a schema, which stays.
#pragma once

#include "model/object.hpp"

namespace specql::plan {

std::string dropSql(const Object& object);
std::string dropSql(const InstalledObject& object);

}  // namespace specql::plan
