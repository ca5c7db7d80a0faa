#include "pg/bridge/extension.hpp"

#include "pg/bridge/entry.hpp"
#include "pg/bridge/settings.hpp"
#include "pg/bridge/sqlstate.hpp"

extern "C" {
#include "access/genam.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_extension.h"
#include "utils/fmgroids.h"
}

#ifndef SPECQL_VERSION
#error "The build must define SPECQL_VERSION, from specql.control"
#endif

namespace specql {

namespace {

struct Installed {
    Oid owner = InvalidOid;
    char* version = nullptr;  // palloc'd
};

Installed installed() {
    Installed result;
    Relation catalog = table_open(ExtensionRelationId, AccessShareLock);
    ScanKeyData key;
    ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum("specql"));
    SysScanDesc scan = systable_beginscan(catalog, ExtensionNameIndexId, true, nullptr, 1, &key);
    HeapTuple tuple = systable_getnext(scan);
    if (HeapTupleIsValid(tuple)) {
        result.owner = reinterpret_cast<Form_pg_extension>(GETSTRUCT(tuple))->extowner;
        bool isNull;
        Datum version = heap_getattr(tuple, Anum_pg_extension_extversion, RelationGetDescr(catalog), &isNull);
        if (!isNull) result.version = TextDatumGetCString(version);
    }
    systable_endscan(scan);
    table_close(catalog, AccessShareLock);
    if (!OidIsValid(result.owner))
        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("extension \"specql\" is not installed in this database"),
                 errhint("Type CREATE EXTENSION specql.")));
    return result;
}

}  // namespace

bool hasMatchingVersion() {
    Installed extension = installed();
    bool matches = extension.version != nullptr && strcmp(extension.version, SPECQL_VERSION) == 0;
    if (extension.version != nullptr) pfree(extension.version);
    return matches;
}

void requireMatchingVersion() {
    Installed extension = installed();
    if (extension.version == nullptr || strcmp(extension.version, SPECQL_VERSION) != 0)
        ereport(
            ERROR,
            (errcode(sqlstate::versionMismatch),
             errmsg("the specql library is version %s, but the extension in this database is version %s",
                    SPECQL_VERSION, extension.version != nullptr ? extension.version : "unknown"),
             errhint("Type ALTER EXTENSION specql UPDATE TO '%s'; if that version does not exist, install the library "
                     "of the other version, and reconnect.",
                     SPECQL_VERSION)));
    pfree(extension.version);
}

Oid extensionOwner() {
    Installed extension = installed();
    pfree(extension.version);
    return extension.owner;
}

OwnerSwitch becomeExtensionOwner() {
    OwnerSwitch before;
    Oid owner = extensionOwner();
    GetUserIdAndSecContext(&before.user, &before.securityContext);
    SetUserIdAndSecContext(owner, before.securityContext | SECURITY_LOCAL_USERID_CHANGE);
    before.settingsLevel = NewGUCNestLevel();
    setLocal("search_path", "pg_catalog, pg_temp");
    return before;
}

void endExtensionOwner(const OwnerSwitch& before) {
    AtEOXact_GUC(true, before.settingsLevel);
    SetUserIdAndSecContext(before.user, before.securityContext);
}

// For specql.health(), which may be that of another version.
SPECQL_FUNCTION(specql_library_version) {
    PG_RETURN_TEXT_P(cstring_to_text(SPECQL_VERSION));
}

}  // namespace specql
