// Decides whether a column's type can be changed without changing its values.
#pragma once

#include "model/table_state.hpp"
#include "pg/compat.hpp"

namespace specql::catalog {

// Widening are changes that PostgreSQL casts implicitly or without touching the value, except casts that round;
// narrowing are those that need a cast which may fail or change the value.
TypeChange typeChange(Oid from, int32 fromTypmod, Oid to, int32 toTypmod);

}  // namespace specql::catalog
