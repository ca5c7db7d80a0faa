// specql.run_as: calls a function that did not exist when the spec was applied, as the owner of the action.
#include "pg/bridge/entry.hpp"
#include "pg/bridge/settings.hpp"
#include "pg/bridge/subtransaction.hpp"
#include "pg/capture/baggage.hpp"
#include "pg/capture/tellable.hpp"
#include "pg/handling/owner.hpp"
#include "pg/outbox/owned_calls.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace specql::outbox {

ErrorData* runCommandAs(Oid owner, const char* command, Datum argument, const char* traceparent, Datum settings) {
    return trySubtransaction([owner, command, argument, traceparent, settings] {
        handling::asOwner(owner, [owner, command, argument, traceparent, settings] {
            capture::applySettings(settings, owner);
            // What the function raises belongs to the trace, too.
            setLocal("specql.traceparent", traceparent != nullptr ? traceparent : "");
            Oid type = JSONBOID;
            Datum value = argument;
            SPI_connect();
            int code = SPI_execute_with_args(command, 1, &type, &value, nullptr, false, 0);
            if (code < 0) elog(ERROR, "specql: %s gave %s", command, SPI_result_code_string(code));
            SPI_finish();
        });
    });
}

SPECQL_FUNCTION(specql_run_as) {
    if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3)) PG_RETURN_NULL();
    const char* traceparent = PG_ARGISNULL(4) ? nullptr : text_to_cstring(PG_GETARG_TEXT_PP(4));
    ErrorData* error = runCommandAs(PG_GETARG_OID(1), text_to_cstring(PG_GETARG_TEXT_PP(2)), PG_GETARG_DATUM(3),
                                    traceparent, PG_ARGISNULL(5) ? 0 : PG_GETARG_DATUM(5));
    if (error == nullptr) PG_RETURN_NULL();
    const char* action = text_to_cstring(PG_GETARG_TEXT_PP(0));
    PG_RETURN_TEXT_P(cstring_to_text(capture::tellable(action, error)->message));
}

}  // namespace specql::outbox
