// Settings changed for the length of one call.
#pragma once

#include "pg/compat.hpp"

namespace specql {

// Sets a setting until the innermost NewGUCNestLevel() ends, by AtEOXact_GUC() or by an abort. nullptr resets it. With
// PGC_SUSET it may be one that only superusers set.
inline void setLocal(const char* name, const char* value, GucContext context = PGC_USERSET) {
    (void)set_config_option(name, value, context, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

}  // namespace specql
