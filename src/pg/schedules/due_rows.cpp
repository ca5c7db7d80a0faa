// specql.set_due_rows: the handler that keeps due times writes when the rows that changed are due by now.
#include "pg/base/wake.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/capture/frame.hpp"

namespace specql::schedules {

namespace {

constexpr int argumentCount = 4;
const Oid argumentTypes[argumentCount] = {TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID};
const char* const writeSql = "SELECT specql.write_due_rows($1, $2, $3, $4)";

// Parsed and planned once in a session: it runs for every statement that makes rows due.
SPIPlanPtr writePlan() {
    static SPIPlanPtr plan = nullptr;
    if (plan != nullptr) return plan;
    SPIPlanPtr made = SPI_prepare(writeSql, argumentCount, const_cast<Oid*>(argumentTypes));
    if (made == nullptr) elog(ERROR, "specql: %s gave %s", writeSql, SPI_result_code_string(SPI_result));
    if (SPI_keepplan(made) != 0) elog(ERROR, "specql: the plan of %s cannot be kept", writeSql);
    return plan = made;
}

}  // namespace

SPECQL_FUNCTION(specql_set_due_rows) {
    capture::Frame* frame = capture::requireFrame("specql.set_due_rows");
    if (PG_ARGISNULL(0)) PG_RETURN_VOID();
    // The handler may only say when rows are due for its own action.
    if (strcmp(frame->listener()->action, text_to_cstring(PG_GETARG_TEXT_PP(0))) != 0)
        ereport(ERROR,
                (errcode(sqlstate::notAllowed),
                 errmsg("action %s cannot say when rows are due for another action", frame->listener()->action)));
    Datum values[argumentCount];
    char nulls[argumentCount];
    for (int i = 0; i < argumentCount; ++i) {
        values[i] = PG_ARGISNULL(i) ? 0 : PG_GETARG_DATUM(i);
        nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
    }
    runAsExtensionOwner([&values, &nulls] {
        SPI_connect();
        int code = SPI_execute_plan(writePlan(), values, nulls, false, 0);
        if (code < 0) elog(ERROR, "specql: %s gave %s", writeSql, SPI_result_code_string(code));
        SPI_finish();
    });
    wakeWorkerAtCommit();
    PG_RETURN_VOID();
}

}  // namespace specql::schedules
