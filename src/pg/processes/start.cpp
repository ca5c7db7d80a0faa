// specql.start_process: begins a process in the transaction of its caller.
#include "pg/base/wake.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/capture/baggage.hpp"
#include "pg/capture/caller.hpp"
#include "pg/processes/loop.hpp"

namespace specql::processes {

namespace {

constexpr int argumentCount = 4;
const char* const makeSql = "SELECT specql.make_process($1, $2, $3, $4, $5, $6, $7, $8)";

}  // namespace

// (action, params, subject, id)
SPECQL_FUNCTION(specql_start_process) {
    PreventCommandIfReadOnly("specql.start_process");
    Oid types[] = {TEXTOID, JSONBOID, TEXTOID, UUIDOID, OIDOID, JSONBOID, TEXTOID, JSONBOID};
    Datum values[lengthof(types)];
    char nulls[lengthof(types)];
    for (int i = 0; i < argumentCount; ++i) {
        values[i] = PG_ARGISNULL(i) ? 0 : PG_GETARG_DATUM(i);
        nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
    }
    values[4] = ObjectIdGetDatum(GetUserId());
    nulls[4] = ' ';
    const capture::Baggage* baggage = capture::currentBaggage();
    values[5] = capture::callerToStore(capture::currentCaller());
    values[6] = baggage != nullptr && baggage->traceparent != nullptr ? CStringGetTextDatum(baggage->traceparent) : 0;
    values[7] = baggage != nullptr ? baggage->settings : 0;
    for (int i = 5; i < static_cast<int>(lengthof(types)); ++i)
        nulls[i] = values[i] == 0 ? 'n' : ' ';
    auto* id = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t)));
    runAsExtensionOwner([&types, &values, &nulls, id] {
        SPI_connect();
        int code = SPI_execute_with_args(makeSql, lengthof(types), types, values, nulls, false, 0);
        if (code != SPI_OK_SELECT) elog(ERROR, "specql: %s gave %s", makeSql, SPI_result_code_string(code));
        bool isNull;
        *id = *DatumGetUUIDP(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isNull));
        SPI_finish();
    });
    goOn(id, Place::start);
    wakeWorkerAtCommit();
    PG_RETURN_UUID_P(id);
}

}  // namespace specql::processes
