// The search path on which names in expressions and types are looked up.
#pragma once

#include "pg/bridge/settings.hpp"

namespace specql::catalog {

// pg_catalog, then public; temporary objects last. Not the schemas of the entities and not an argument of one call:
// expressions of installed units are looked up again by every later apply and must be found to mean the same.
// Returns the level for endLookupPath(); an error in between is undone by the (sub)transaction's abort.
inline int beginLookupPath() {
    int level = NewGUCNestLevel();
    setLocal("search_path", "pg_catalog, public, pg_temp");
    setLocal("standard_conforming_strings", "on");
    return level;
}

inline void endLookupPath(int level) {
    AtEOXact_GUC(true, level);
}

}  // namespace specql::catalog
