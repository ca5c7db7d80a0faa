// The search path on which names in expressions and types are looked up.
#pragma once

#include "pg/bridge/settings.hpp"

namespace specql::catalog {

// Sets the search path to pg_catalog, then public, temporary objects last. It is always the same, because every later
// apply looks up the expressions of installed units again, and must find the same objects. Returns the level for
// endLookupPath(); after an error the abort of the (sub)transaction restores the settings.
inline int beginLookupPath() {
    int level = NewGUCNestLevel();
    setLocal("search_path", "pg_catalog, public, pg_temp");
    setLocal("standard_conforming_strings", "on");
    return level;
}

// The same with more schemas, given as ", schema, schema", behind public.
inline int extendLookupPath(const char* schemas) {
    int level = NewGUCNestLevel();
    if (schemas[0] != '\0') setLocal("search_path", psprintf("pg_catalog, public%s, pg_temp", schemas));
    return level;
}

inline void endLookupPath(int level) {
    AtEOXact_GUC(true, level);
}

}  // namespace specql::catalog
