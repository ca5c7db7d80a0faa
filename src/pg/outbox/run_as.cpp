// specql.run_as: a call of a function that did not exist when its spec was applied.
#include "pg/bridge/entry.hpp"
#include "pg/bridge/subtransaction.hpp"
#include "pg/outbox/owner.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace specql {

SPECQL_FUNCTION(specql_run_as) {
    Oid owner = PG_GETARG_OID(0);
    const char* command = text_to_cstring(PG_GETARG_TEXT_PP(1));
    Datum argument = PG_GETARG_DATUM(2);
    ErrorData* error = trySubtransaction([owner, command, argument] {
        asOwner(owner, [command, argument] {
            Oid type = JSONBOID;
            Datum value = argument;
            SPI_connect();
            int code = SPI_execute_with_args(command, 1, &type, &value, nullptr, false, 0);
            if (code < 0) elog(ERROR, "specql: %s gave %s", command, SPI_result_code_string(code));
            SPI_finish();
        });
    });
    if (error == nullptr) PG_RETURN_NULL();
    PG_RETURN_TEXT_P(cstring_to_text(error->message));
}

}  // namespace specql
