#include "pg/capture/respell.hpp"

#include "pg/bridge/entry.hpp"
#include "pg/bridge/sqlstate.hpp"

extern "C" {
#include "catalog/partition.h"
#include "executor/spi.h"
}

namespace specql::capture {

namespace {

Oid respelled = InvalidOid;

void updateRows(const char* sql, Datum former, Datum value) {
    Oid types[] = {TEXTOID, TEXTOID};
    Datum values[] = {former, value};
    SPI_connect();
    int code = SPI_execute_with_args(sql, lengthof(types), types, values, nullptr, false, 0);
    if (code != SPI_OK_UPDATE) elog(ERROR, "specql: respelling a value gave %s", SPI_result_code_string(code));
    SPI_finish();
}

}  // namespace

bool isRespelled(Relation table) {
    if (!OidIsValid(respelled)) return false;
    if (RelationGetRelid(table) == respelled) return true;
    return table->rd_rel->relispartition &&
           list_member_oid(get_partition_ancestors(RelationGetRelid(table)), respelled);
}

// specql.respell_value(relation, column, former, value): only its owner may change rows without an event.
SPECQL_FUNCTION(specql_respell_value) {
    Oid table = PG_GETARG_OID(0);
    Relation relation = table_open(table, RowExclusiveLock);
    if (!compat::ownsTable(table, GetUserId()))
        ereport(ERROR, (errcode(sqlstate::notAllowed),
                        errmsg("you are not the owner of table %s", RelationGetRelationName(relation))));
    const char* name = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
                                                  RelationGetRelationName(relation));
    const char* column = quote_identifier(text_to_cstring(PG_GETARG_TEXT_PP(1)));
    const char* sql = psprintf("UPDATE %s SET %s = $2 WHERE %s = $1", name, column, column);
    Datum former = PG_GETARG_DATUM(2), value = PG_GETARG_DATUM(3);
    Oid before = respelled;
    respelled = table;
    PG_TRY();
    { updateRows(sql, former, value); }
    PG_FINALLY();
    { respelled = before; }
    PG_END_TRY();
    table_close(relation, NoLock);
    PG_RETURN_VOID();
}

}  // namespace specql::capture
