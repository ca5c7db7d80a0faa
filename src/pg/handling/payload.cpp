// specql.payload(data, key): a value that the event's payload must have.
#include "pg/base/server.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/capture/omitted.hpp"

namespace specql::handling {

namespace {

// The text that the operator ->> would give.
text* asText(JsonbValue* value) {
    switch (value->type) {
        case jbvString: return cstring_to_text_with_len(value->val.string.val, value->val.string.len);
        case jbvNumeric:
            return cstring_to_text(
                DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric))));
        case jbvBool: return cstring_to_text(value->val.boolean ? "true" : "false");
        default: {
            Jsonb* whole = JsonbValueToJsonb(value);
            return cstring_to_text(JsonbToCString(nullptr, &whole->root, VARSIZE(whole)));
        }
    }
}

// The value at the key; nullptr for JSON null. Raises SQ200 if the payload has no such key, SQ208 if that was
// left out of it.
JsonbValue* valueAt(FunctionCallInfo fcinfo) {
    Jsonb* data = PG_GETARG_JSONB_P(0);
    text* key = PG_GETARG_TEXT_PP(1);
    JsonbValue* value = nullptr;
    if (JB_ROOT_IS_OBJECT(data))
        value = getKeyJsonValueFromContainer(&data->root, VARDATA_ANY(key), static_cast<int>(VARSIZE_ANY_EXHDR(key)),
                                             nullptr);
    if (value == nullptr) capture::requireKeyCarried(data, text_to_cstring(key));
    if (value == nullptr)
        ereport(ERROR, (errcode(sqlstate::payloadKeyMissing),
                        errmsg("the event's payload has no key \"%s\"", text_to_cstring(key)),
                        errdetail("The payload is %s.", JsonbToCString(nullptr, &data->root, VARSIZE(data))),
                        errhint("Whoever emits the event must give the key; JSON null is a value.")));
    return value->type == jbvNull ? nullptr : value;
}

void appendElement(StringInfo literal, JsonbValue* value) {
    if (value->type == jbvNull) {
        appendStringInfoString(literal, "NULL");
        return;
    }
    text* element = asText(value);
    appendStringInfoChar(literal, '"');
    for (int i = 0; i < static_cast<int>(VARSIZE_ANY_EXHDR(element)); ++i) {
        char c = VARDATA_ANY(element)[i];
        if (c == '"' || c == '\\') appendStringInfoChar(literal, '\\');
        appendStringInfoChar(literal, c);
    }
    appendStringInfoChar(literal, '"');
}

// Writes a JSON array as an array literal of PostgreSQL: {"a",NULL,{"b"}}.
void appendArray(StringInfo literal, JsonbContainer* array) {
    check_stack_depth();
    JsonbIterator* iterator = JsonbIteratorInit(array);
    JsonbValue value;
    bool first = true;
    appendStringInfoChar(literal, '{');
    for (JsonbIteratorToken token; (token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE;) {
        if (token != WJB_ELEM) continue;
        if (!first) appendStringInfoChar(literal, ',');
        first = false;
        if (value.type == jbvBinary && JsonContainerIsArray(value.val.binary.data))
            appendArray(literal, value.val.binary.data);
        else
            appendElement(literal, &value);
    }
    appendStringInfoChar(literal, '}');
}

}  // namespace

SPECQL_FUNCTION(specql_payload) {
    JsonbValue* value = valueAt(fcinfo);
    if (value == nullptr) PG_RETURN_NULL();
    PG_RETURN_TEXT_P(asText(value));
}

SPECQL_FUNCTION(specql_payload_json) {
    JsonbValue* value = valueAt(fcinfo);
    if (value == nullptr) PG_RETURN_NULL();
    PG_RETURN_JSONB_P(JsonbValueToJsonb(value));
}

SPECQL_FUNCTION(specql_payload_array) {
    JsonbValue* value = valueAt(fcinfo);
    if (value == nullptr) PG_RETURN_NULL();
    if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data)) PG_RETURN_TEXT_P(asText(value));
    StringInfoData literal;
    initStringInfo(&literal);
    appendArray(&literal, value->val.binary.data);
    PG_RETURN_TEXT_P(cstring_to_text_with_len(literal.data, literal.len));
}

}  // namespace specql::handling
