// specql.execute_as: a statement of a test, run as the owner of its suite.
#include "pg/testing/execute.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/result_set.hpp"
#include "pg/bridge/sqlstate.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace specql::testing {

void requireSuiteOwner(Oid owner) {
    if (!compat::hasRightsOf(GetUserId(), owner))
        ereport(ERROR, (errcode(sqlstate::notAllowed),
                        errmsg("the suite tests actions of %s", GetUserNameFromId(owner, false)),
                        errhint("Let %s run it, or become a member of that role.", GetUserNameFromId(owner, false))));
}

bool movesClock(const char* sql) {
    const char* const begin = "SET LOCAL specql.clock_offset ";
    return strncmp(sql, begin, strlen(begin)) == 0 && strchr(sql, ';') == nullptr;
}

// specql.execute_as(owner, sql): the first column of the result, as text.
SPECQL_FUNCTION(specql_execute_as) {
    ResultSet rows(fcinfo);
    Oid owner = PG_GETARG_OID(0);
    const char* sql = text_to_cstring(PG_GETARG_TEXT_PP(1));
    requireSuiteOwner(owner);
    asSuiteOwner(movesClock(sql) ? GetUserId() : owner, [sql, &rows] {
        SPI_connect();
        int code = SPI_execute(sql, false, 0);
        if (code < 0) elog(ERROR, "specql: a statement of a test gave %s", SPI_result_code_string(code));
        bool hasRows = SPI_tuptable != nullptr && SPI_tuptable->tupdesc->natts > 0;
        for (uint64_t i = 0; hasRows && i < SPI_processed; ++i)
            rows.row()
                .integer(static_cast<int>(i) + 1)
                .text(SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1))
                .end();
        SPI_finish();
    });
    PG_RETURN_NULL();
}

}  // namespace specql::testing
