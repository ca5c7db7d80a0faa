// Images of rows with values that cannot all be carried: made value by value.
#include "pg/bridge/subtransaction.hpp"
#include "pg/capture/omitted.hpp"
#include "pg/capture/row_images.hpp"

extern "C" {
#include "mb/pg_wchar.h"
#include "utils/fmgroids.h"
}

namespace specql::capture {

namespace {

// Values smaller than this are always carried: leaving one out would take more room, for the note.
constexpr Size smallest = 64;
// Bytes of a reason.
constexpr int longestReason = 200;

// A value of one of the images.
struct Value {
    RowKind row;
    Form_pg_attribute column;
    bool isKey;
    bool isNull;
    Datum datum;
    ExprState* computed;  // makes isNull and datum; nullptr if they are there
    Size size;            // of what is stored, or written as JSON, whichever is more
    Jsonb* json;          // nullptr until it is made, and for NULL
    const char* omitted;  // why it is left out; nullptr if it is not
};

struct Values {
    int count;
    Value* items;
};

Values collect(const RowImages* images, const EventRows* rows) {
    Values values = {0, static_cast<Value*>(palloc(sizeof(Value) * rowKinds * Max(images->columns->natts, 1)))};
    for (int row = 0; row < rowKinds; ++row) {
        if (images->parts[row] != partImage) continue;
        for (int i = 0; i < images->columns->natts; ++i) {
            Form_pg_attribute column = TupleDescAttr(images->columns, i);
            const bool* chosen = rows->rows[row].chosen;
            if (!isImaged(column, images->withheld) || (chosen != nullptr && !chosen[i])) continue;
            Value* value = &values.items[values.count++];
            memset(value, 0, sizeof *value);
            value->row = static_cast<RowKind>(row);
            value->column = column;
            value->isKey = bms_is_member(column->attnum, images->key);
            value->isNull = rows->rows[row].nulls[i];
            value->datum = rows->rows[row].values[i];
            for (int c = 0; c < images->computedCount; ++c)
                if (images->computed[row][c].index == i) value->computed = images->computed[row][c].value;
            if (!value->isNull && value->computed == nullptr)
                value->size = column->attlen == -1 ? rawSize(value->datum) : static_cast<Size>(Max(column->attlen, 0));
        }
    }
    return values;
}

// Bytes that a value takes in its image, about.
Size cost(const Value* value) {
    return (value->omitted == nullptr ? value->size : 0) + strlen(NameStr(value->column->attname)) + 2 * sizeof(JEntry);
}

// Is `left` to be left out before `right`?
bool goesBefore(const Value* left, const Value* right) {
    if (left->isKey != right->isKey) return right->isKey;
    return left->size > right->size;
}

// Leaves the largest values out until the rest takes at most `room`. Of equals that of the old row goes first. False if
// nothing that could be left out was enough.
bool fit(const Values* values, Size room) {
    Size total = 0;
    for (int i = 0; i < values->count; ++i)
        total += cost(&values->items[i]);
    while (total > room) {
        Value* largest = nullptr;
        for (int i = 0; i < values->count; ++i) {
            Value* value = &values->items[i];
            if (value->omitted != nullptr || value->size <= smallest) continue;
            if (largest == nullptr || goesBefore(value, largest)) largest = value;
        }
        if (largest == nullptr) return false;
        largest->omitted = psprintf("too large: %zu bytes", largest->size);
        largest->json = nullptr;
        total -= largest->size;
    }
    return true;
}

void pushText(JsonbParseState** state, JsonbIteratorToken token, const char* value) {
    JsonbValue text;
    text.type = jbvString;
    text.val.string.val = const_cast<char*>(value);
    text.val.string.len = static_cast<int>(strlen(value));
    (void)pushJsonbValue(state, token, &text);
}

void pushJson(JsonbParseState** state, Jsonb* json) {
    JsonbValue value;
    memset(&value, 0, sizeof value);
    if (json == nullptr) {
        value.type = jbvNull;
    } else if (JB_ROOT_IS_SCALAR(json)) {
        JsonbValue array;
        JsonbIterator* iterator = JsonbIteratorInit(&json->root);
        (void)JsonbIteratorNext(&iterator, &array, true);
        (void)JsonbIteratorNext(&iterator, &value, true);
    } else {
        value.type = jbvBinary;
        value.val.binary.data = &json->root;
        value.val.binary.len = static_cast<int>(VARSIZE(json) - VARHDRSZ);
    }
    (void)pushJsonbValue(state, WJB_VALUE, &value);
}

// The value as JSON, as to_jsonb() of the whole row would have it.
Jsonb* jsonOf(const Value* value) {
    Node* argument = reinterpret_cast<Node*>(
        makeNullConst(value->column->atttypid, value->column->atttypmod, value->column->attcollation));
    FmgrInfo function;
    fmgr_info(F_TO_JSONB, &function);
    fmgr_info_set_expr(reinterpret_cast<Node*>(makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(argument), InvalidOid,
                                                            InvalidOid, COERCE_EXPLICIT_CALL)),
                       &function);
    Jsonb* json = DatumGetJsonbP(FunctionCall1(&function, value->datum));
    if (!JB_ROOT_IS_SCALAR(json)) {
        // It will stand two levels deeper: that it can is tried here, where an error can still be told from others.
        JsonbParseState* state = nullptr;
        (void)pushJsonbValue(&state, WJB_BEGIN_OBJECT, nullptr);
        pushText(&state, WJB_KEY, "");
        (void)pushJsonbValue(&state, WJB_BEGIN_OBJECT, nullptr);
        pushText(&state, WJB_KEY, "");
        pushJson(&state, json);
        (void)pushJsonbValue(&state, WJB_END_OBJECT, nullptr);
        pfree(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, nullptr)));
    }
    return json;
}

const char* reasonOf(const ErrorData* error) {
    const char* message = error->message != nullptr ? error->message : "an error";
    char* reason = error->detail != nullptr ? psprintf("%s: %s", message, error->detail) : pstrdup(message);
    int length = static_cast<int>(strlen(reason));
    if (length > longestReason) reason[pg_mbcliplen(reason, length, longestReason)] = '\0';
    return reason;
}

void makeJson(const RowImages* images, const Values* values, ExprContext* evaluation) {
    withSafeSearchPath(images, [values, evaluation] {
        inBatches(
            values->count,
            [values, evaluation](int i) {
                Value* value = &values->items[i];
                if (value->computed != nullptr)
                    value->datum = ExecEvalExprSwitchContext(value->computed, evaluation, &value->isNull);
                if (value->isNull || value->omitted != nullptr) return;
                value->json = jsonOf(value);
                Size scalar = JB_ROOT_IS_SCALAR(value->json) ? sizeof(uint32) + sizeof(JEntry) : 0;
                value->size = Max(value->size, VARSIZE(value->json) - VARHDRSZ - scalar);
            },
            [values](int i, const ErrorData* error) {
                if (error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE && IsolationUsesXactSnapshot())
                    ReThrowError(const_cast<ErrorData*>(error));
                values->items[i].omitted = reasonOf(error);
            });
    });
}

// What is withheld from every image.
void pushWithheld(JsonbParseState** state, Jsonb* note) {
    JsonbIterator* iterator = JsonbIteratorInit(&note->root);
    JsonbValue item;
    for (JsonbIteratorToken token; (token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE;)
        if (token == WJB_KEY || token == WJB_VALUE) (void)pushJsonbValue(state, token, &item);
}

void pushImage(JsonbParseState** state, const RowImages* images, const Values* values, int row) {
    (void)pushJsonbValue(state, WJB_BEGIN_OBJECT, nullptr);
    bool complete = images->withheld.note == nullptr;
    for (int i = 0; i < values->count; ++i) {
        const Value* value = &values->items[i];
        if (value->row != row) continue;
        complete &= value->omitted == nullptr;
        if (value->omitted != nullptr) continue;
        pushText(state, WJB_KEY, NameStr(value->column->attname));
        pushJson(state, value->json);
    }
    if (!complete) {
        pushText(state, WJB_KEY, omittedKey);
        (void)pushJsonbValue(state, WJB_BEGIN_OBJECT, nullptr);
        if (images->withheld.note != nullptr) pushWithheld(state, images->withheld.note);
        for (int i = 0; i < values->count; ++i) {
            const Value* value = &values->items[i];
            if (value->row != row || value->omitted == nullptr) continue;
            pushText(state, WJB_KEY, NameStr(value->column->attname));
            pushText(state, WJB_VALUE, value->omitted);
        }
        (void)pushJsonbValue(state, WJB_END_OBJECT, nullptr);
    }
    (void)pushJsonbValue(state, WJB_END_OBJECT, nullptr);
}

Jsonb* assemble(const RowImages* images, const EventRows* rows, const Values* values) {
    JsonbParseState* state = nullptr;
    (void)pushJsonbValue(&state, WJB_BEGIN_OBJECT, nullptr);
    if (images->truncated) {
        JsonbValue yes;
        yes.type = jbvBool;
        yes.val.boolean = true;
        pushText(&state, WJB_KEY, "truncated");
        (void)pushJsonbValue(&state, WJB_VALUE, &yes);
    }
    for (int row = 0; row < rowKinds; ++row) {
        if (images->parts[row] == partAbsent) continue;
        pushText(&state, WJB_KEY, keyOf(rows, static_cast<RowKind>(row)));
        if (images->parts[row] == partImage)
            pushImage(&state, images, values, row);
        else
            pushJson(&state, nullptr);
    }
    return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, nullptr));
}

}  // namespace

Datum makeByColumn(const RowImages* images, const EventRows* rows, ExprContext* evaluation) {
    Values values = collect(images, rows);
    Size room = imagesLimit();
    // Nothing that is too large is made.
    (void)fit(&values, room);
    makeJson(images, &values, evaluation);
    for (;;) {
        bool mayShrink = fit(&values, room);
        Jsonb* data = assemble(images, rows, &values);
        // What was counted is not quite what it takes: there are alignment, and the notes.
        Size excess = VARSIZE(data) > imagesLimit() ? VARSIZE(data) - imagesLimit() : 0;
        if (excess == 0 || !mayShrink || room == 0) return JsonbPGetDatum(data);
        room -= Min(room, excess);
    }
}

}  // namespace specql::capture
