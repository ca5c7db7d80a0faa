// A service: no object of the database, but a row that the worker reads.
#pragma once

#include "model/object.hpp"
#include "resolve/resolver.hpp"

namespace specql::emit {

// The registration of a service.
Object serviceObject(const resolve::Unit& unit);

}  // namespace specql::emit
