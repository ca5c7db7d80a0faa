// specql.payload(data, key): a value that the event's payload must have.
#include "pg/bridge/entry.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/events/server.hpp"

namespace specql {

namespace {

// As ->> gives it.
text* asText(JsonbValue* value) {
    switch (value->type) {
        case jbvString:
            return cstring_to_text_with_len(value->val.string.val, value->val.string.len);
        case jbvNumeric:
            return cstring_to_text(
                DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric))));
        case jbvBool:
            return cstring_to_text(value->val.boolean ? "true" : "false");
        default: {
            Jsonb* whole = JsonbValueToJsonb(value);
            return cstring_to_text(JsonbToCString(nullptr, &whole->root, VARSIZE(whole)));
        }
    }
}

}  // namespace

SPECQL_FUNCTION(specql_payload) {
    Jsonb* data = PG_GETARG_JSONB_P(0);
    text* key = PG_GETARG_TEXT_PP(1);
    JsonbValue* value = nullptr;
    if (JB_ROOT_IS_OBJECT(data))
        value = getKeyJsonValueFromContainer(&data->root, VARDATA_ANY(key), static_cast<int>(VARSIZE_ANY_EXHDR(key)),
                                             nullptr);
    if (value == nullptr)
        ereport(ERROR, (errcode(sqlstate::payloadKeyMissing),
                        errmsg("the event's payload has no key \"%s\"", text_to_cstring(key)),
                        errdetail("The payload is %s.", JsonbToCString(nullptr, &data->root, VARSIZE(data))),
                        errhint("Whoever emits the event must give the key; JSON null is a value.")));
    if (value->type == jbvNull)
        PG_RETURN_NULL();
    PG_RETURN_TEXT_P(asText(value));
}

}  // namespace specql
