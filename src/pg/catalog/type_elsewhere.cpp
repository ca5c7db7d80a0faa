#include "pg/catalog/type_elsewhere.hpp"

#include "pg/bridge/encoding.hpp"
#include "pg/compat.hpp"
#include "text/sql_text.hpp"

extern "C" {
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
}

namespace specql::catalog {

const char* typeInOtherSchema(std::string_view text) {
    std::vector<std::string> parts = nameParts(text.substr(0, nameLength(text, 0)));
    if (parts.empty()) return nullptr;
    const char* name = fromUtf8(parts.back());
    Oid found = InvalidOid, schema = InvalidOid;
    CatCList* types = SearchSysCacheList1(TYPENAMENSP, CStringGetDatum(name));
    for (int i = 0; i < types->n_members; ++i) {
        auto* type = reinterpret_cast<Form_pg_type>(GETSTRUCT(&types->members[i]->tuple));
        if (!type->typisdefined || isAnyTempNamespace(type->typnamespace)) continue;
        // Of several the oldest, so that the hint is the same each time.
        if (OidIsValid(found) && found < type->oid) continue;
        found = type->oid;
        schema = type->typnamespace;
    }
    ReleaseSysCacheList(types);
    if (!OidIsValid(found)) return nullptr;
    return toUtf8(psprintf("if you mean the type of that schema, write %s",
                           quote_qualified_identifier(get_namespace_name(schema), name)));
}

}  // namespace specql::catalog
