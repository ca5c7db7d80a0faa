#include "pg/base/clock.hpp"

#include "pg/bridge/entry.hpp"

namespace specql {

SPECQL_FUNCTION(specql_clock) {
    PG_RETURN_TIMESTAMPTZ(engineTime());
}

}  // namespace specql
