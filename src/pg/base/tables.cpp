#include "pg/base/tables.hpp"

namespace specql {

namespace {

struct Known {
    const char* name;
    Oid oid;
};
constexpr int maxKnown = 32;
Known known[maxKnown];
int knownCount = 0;

// After DROP EXTENSION and CREATE EXTENSION the tables have other OIDs.
void relationChanged(Datum, Oid relation) {
    for (int i = 0; i < knownCount; ++i)
        if (!OidIsValid(relation) || known[i].oid == relation) {
            knownCount = 0;
            return;
        }
}

}  // namespace

Oid tableOid(const char* name) {
    for (int i = 0; i < knownCount; ++i)
        if (known[i].name == name) return known[i].oid;
    Oid schema = get_namespace_oid("specql", true);
    Oid oid = OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
    if (!OidIsValid(oid))
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("table specql.%s does not exist", name),
                        errhint("Type CREATE EXTENSION specql.")));
    if (knownCount < maxKnown) known[knownCount++] = {name, oid};
    return oid;
}

const char* textAt(HeapTuple row, TupleDesc descriptor, const char* column) {
    bool isNull;
    Datum value = heap_getattr(row, SPI_fnumber(descriptor, column), descriptor, &isNull);
    return isNull ? nullptr : TextDatumGetCString(value);
}

void registerTableInvalidation() {
    CacheRegisterRelcacheCallback(relationChanged, 0);
}

}  // namespace specql
