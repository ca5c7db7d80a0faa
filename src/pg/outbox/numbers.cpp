// Numbers as strings, for receivers whose JSON parser keeps numbers as doubles, and so loses digits beyond 2^53.
#include "pg/base/server.hpp"
#include "pg/bridge/entry.hpp"

namespace specql::outbox {

// specql.numbers_as_text(value): all numbers, and not only the large ones, so that a field is always of one type.
SPECQL_FUNCTION(specql_numbers_as_text) {
    Jsonb* before = PG_GETARG_JSONB_P(0);
    JsonbIterator* iterator = JsonbIteratorInit(&before->root);
    JsonbParseState* state = nullptr;
    JsonbValue value;
    JsonbValue* after = nullptr;
    JsonbIteratorToken token;
    while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE) {
        if ((token == WJB_ELEM || token == WJB_VALUE) && value.type == jbvNumeric) {
            char* digits = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)));
            value.type = jbvString;
            value.val.string.val = digits;
            value.val.string.len = static_cast<int>(strlen(digits));
        }
        // A scalar stands in an array that is none.
        bool hasValue = token == WJB_KEY || token == WJB_VALUE || token == WJB_ELEM ||
                        (token == WJB_BEGIN_ARRAY && value.val.array.rawScalar);
        after = pushJsonbValue(&state, token, hasValue ? &value : nullptr);
    }
    PG_RETURN_JSONB_P(JsonbValueToJsonb(after));
}

}  // namespace specql::outbox
