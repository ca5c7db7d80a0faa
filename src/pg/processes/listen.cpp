// specql.end_waits and specql.ask_again: the handlers of a process' listeners tell of what has come and what has
// changed.
#include "pg/bridge/entry.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/capture/frame.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace specql::processes {

namespace {

constexpr int mostArguments = 4;

// Runs `sql`, which gives an integer, with the arguments of the SQL function, the first of which is the action: it must
// be the one that the innermost handler is of.
int runForOwnAction(FunctionCallInfo fcinfo, const char* function, const char* sql) {
    capture::Frame* frame = capture::requireFrame(function);
    if (PG_ARGISNULL(0) || strcmp(frame->listener()->action, text_to_cstring(PG_GETARG_TEXT_PP(0))) != 0)
        ereport(ERROR, (errcode(sqlstate::notAllowed),
                        errmsg("action %s cannot say what has come for another action", frame->listener()->action)));
    Oid types[mostArguments];
    Datum values[mostArguments];
    char nulls[mostArguments];
    int count = PG_NARGS();
    for (int i = 0; i < count; ++i) {
        types[i] = get_fn_expr_argtype(fcinfo->flinfo, i);
        values[i] = PG_ARGISNULL(i) ? 0 : PG_GETARG_DATUM(i);
        nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
    }
    int result = 0;
    runAsExtensionOwner([&types, &values, &nulls, count, sql, &result] {
        SPI_connect();
        int code = SPI_execute_with_args(sql, count, types, values, nulls, false, 0);
        if (code != SPI_OK_SELECT) elog(ERROR, "specql: %s gave %s", sql, SPI_result_code_string(code));
        bool isNull;
        result = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isNull));
        SPI_finish();
    });
    return result;
}

}  // namespace

// (action, number, keys, data)
SPECQL_FUNCTION(specql_end_waits) {
    PG_RETURN_INT32(runForOwnAction(fcinfo, "specql.end_waits", "SELECT specql.end_event_waits($1, $2, $3, $4)"));
}

// (action, number, subject)
SPECQL_FUNCTION(specql_ask_again) {
    PG_RETURN_INT32(runForOwnAction(fcinfo, "specql.ask_again", "SELECT specql.ask_waiting($1, $2, $3)"));
}

}  // namespace specql::processes
