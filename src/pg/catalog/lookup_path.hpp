// The search path on which names in expressions and types are looked up.
#pragma once

#include "pg/bridge/encoding.hpp"
#include "pg/bridge/settings.hpp"

namespace specql {

// pg_catalog, `schema` (may be empty), public; temporary objects last. Returns the level for endLookupPath(); an error
// in between is undone by the (sub)transaction's abort.
inline int beginLookupPath(const std::string& schema) {
    int level = NewGUCNestLevel();
    const char* path = "pg_catalog, public, pg_temp";
    if (!schema.empty())
        path = psprintf("pg_catalog, %s, public, pg_temp", quote_identifier(fromUtf8(schema)));
    setLocal("search_path", path);
    return level;
}

inline void endLookupPath(int level) {
    AtEOXact_GUC(true, level);
}

}  // namespace specql
