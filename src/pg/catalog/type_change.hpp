// What PostgreSQL would do to the values of a column that gets another type.
#pragma once

#include "model/table_state.hpp"
#include "pg/compat.hpp"

namespace specql::catalog {

// Widening is what PostgreSQL casts by itself (implicitly, or without touching the value), but for the casts that
// round.
TypeChange typeChange(Oid from, int32 fromTypmod, Oid to, int32 toTypmod);

}  // namespace specql::catalog
