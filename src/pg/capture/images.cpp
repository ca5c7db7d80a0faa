#include "pg/capture/images.hpp"

#include "pg/base/event_settings.hpp"
#include "pg/bridge/settings.hpp"
#include "pg/bridge/subtransaction.hpp"
#include "pg/capture/omitted.hpp"
#include "pg/capture/safety.hpp"

extern "C" {
#include "access/detoast.h"
#include "mb/pg_wchar.h"
#include "utils/fmgroids.h"
}

namespace specql::capture {

namespace {

enum Part { partAbsent, partNull, partImage };
enum RowKind { oldRow, newRow, rowKinds };
const char* const rowNames[rowKinds] = {"old", "new"};

// A column whose values can be large, or raise an error when they are written as JSON.
struct DoubtfulColumn {
    int index;
    bool varying;  // its size differs from row to row
    JsonSafety json;
};

// A virtual generated column of a row image.
struct ComputedColumn {
    int index;
    ExprState* value;
};

// Values smaller than this are always carried: leaving one out would take more room, for the note.
constexpr Size smallest = 64;
// Bytes of a reason.
constexpr int longestReason = 200;
// Deeper values may need more stack to be written than they did to be read.
constexpr Size shallow = 2048;

}  // namespace

struct RowImages {
    Part parts[rowKinds];
    bool truncated;    // {"truncated": true}
    ExprState* usual;  // makes the data of nearly all rows; nullptr if there is no such expression
    bool known;        // `usual` makes the images of whole rows, as `parts` says, and nothing that could raise else
    bool callsForeign;
    int doubtfulCount;
    DoubtfulColumn* doubtful;
    int computedCount;
    ComputedColumn* computed[rowKinds];
    bool computedMayRaise;
    Bitmapset* key;  // columns of the primary key, from 1
};

namespace {

// ---- compiling ----------------------------------------------------------------------------------------------------

constexpr int varnoOf(int row) {
    return row == oldRow ? INNER_VAR : OUTER_VAR;
}

// The rows that the operation has.
void partsOf(Operation operation, Part parts[rowKinds]) {
    parts[oldRow] = operation == opUpdate || operation == opDelete ? partImage : partAbsent;
    parts[newRow] = operation == opUpdate || operation == opInsert ? partImage : partAbsent;
}

bool isNullConst(const Node* node) {
    return IsA(node, Const) && reinterpret_cast<const Const*>(node)->constisnull;
}

// The text of a constant; nullptr if it is something else. A literal that nothing gave a type is of the type unknown.
const char* constantText(const Node* node) {
    if (!IsA(node, Const) || isNullConst(node)) return nullptr;
    const auto* constant = reinterpret_cast<const Const*>(node);
    if (constant->consttype == UNKNOWNOID) return DatumGetCString(constant->constvalue);
    return constant->consttype == TEXTOID ? TextDatumGetCString(constant->constvalue) : nullptr;
}

// Is this to_jsonb(old) or to_jsonb(new)?
bool isImage(const Node* node, RowKind row) {
    if (!IsA(node, FuncExpr)) return false;
    const auto* call = reinterpret_cast<const FuncExpr*>(node);
    if (call->funcid != F_TO_JSONB || list_length(call->args) != 1 || !IsA(linitial(call->args), Var)) return false;
    const auto* var = static_cast<const Var*>(linitial(call->args));
    return var->varattno == 0 && var->varno == varnoOf(row);
}

// Is it jsonb_build_object('old', to_jsonb(old), 'new', to_jsonb(new)), with NULL for what the operation has not, or an
// object of constants? Then it says which parts the data has.
bool isKnown(const Node* data, Part parts[rowKinds]) {
    if (data == nullptr || !IsA(data, FuncExpr)) return false;
    const auto* call = reinterpret_cast<const FuncExpr*>(data);
    if (call->funcid != F_JSONB_BUILD_OBJECT_ANY || call->funcvariadic || list_length(call->args) % 2 != 0)
        return false;
    parts[oldRow] = parts[newRow] = partAbsent;
    bool hasImage = false, hasOther = false;
    for (int i = 0; i < list_length(call->args); i += 2) {
        const Node* key = static_cast<Node*>(list_nth(call->args, i));
        const Node* value = static_cast<Node*>(list_nth(call->args, i + 1));
        const char* name = constantText(key);
        if (name == nullptr) return false;
        int row = strcmp(name, rowNames[oldRow]) == 0   ? oldRow
                  : strcmp(name, rowNames[newRow]) == 0 ? newRow
                                                        : rowKinds;
        if (row < rowKinds && isImage(value, static_cast<RowKind>(row))) {
            parts[row] = partImage;
            hasImage = true;
        } else if (row < rowKinds && isNullConst(value)) {
            parts[row] = partNull;
        } else if (IsA(value, Const)) {
            hasOther = true;
        } else {
            return false;
        }
    }
    return !hasImage || !hasOther;
}

void findDoubtful(RowImages* images, TupleDesc columns) {
    images->doubtful = static_cast<DoubtfulColumn*>(palloc(sizeof(DoubtfulColumn) * Max(columns->natts, 1)));
    for (int i = 0; i < columns->natts; ++i) {
        Form_pg_attribute column = TupleDescAttr(columns, i);
        if (column->attisdropped || compat::isVirtual(column)) continue;
        JsonSafety json = jsonSafety(column->atttypid);
        if (column->attlen > 0 && json == JsonSafety::safe) continue;
        images->doubtful[images->doubtfulCount++] = {i, column->attlen == -1, json};
        images->callsForeign |= json == JsonSafety::foreign;
    }
}

// `expression`, planned, with the virtual columns of the rows as what computes them.
Expr* withVirtualColumns(Expr* expression, Relation relation) {
    Node* result = reinterpret_cast<Node*>(expression);
    for (int row = 0; row < rowKinds; ++row)
        result = compat::withVirtualColumns(result, relation, varnoOf(row));
    return expression_planner(reinterpret_cast<Expr*>(result));
}

void findComputed(RowImages* images, Relation relation) {
    TupleDesc columns = RelationGetDescr(relation);
    for (int i = 0; i < columns->natts; ++i) {
        Form_pg_attribute column = TupleDescAttr(columns, i);
        if (column->attisdropped || !compat::isVirtual(column)) continue;
        int place = images->computedCount++;
        for (int row = 0; row < rowKinds; ++row) {
            Var* var =
                makeVar(varnoOf(row), column->attnum, column->atttypid, column->atttypmod, column->attcollation, 0);
            Expr* value = withVirtualColumns(reinterpret_cast<Expr*>(var), relation);
            if (images->computed[row] == nullptr)
                images->computed[row] = static_cast<ComputedColumn*>(palloc(sizeof(ComputedColumn) * columns->natts));
            images->computed[row][place] = {i, ExecInitExpr(value, nullptr)};
            images->computedMayRaise |=
                mayRaise(reinterpret_cast<Node*>(value)) || jsonSafety(column->atttypid) != JsonSafety::safe;
            images->callsForeign |=
                callsForeign(reinterpret_cast<Node*>(value)) || jsonSafety(column->atttypid) == JsonSafety::foreign;
        }
    }
}

RowImages* makeRowImages(Operation operation, Relation relation) {
    auto* images = static_cast<RowImages*>(palloc0(sizeof(RowImages)));
    partsOf(operation, images->parts);
    images->truncated = operation == opTruncate;
    findDoubtful(images, RelationGetDescr(relation));
    findComputed(images, relation);
    Bitmapset* key = RelationGetIndexAttrBitmap(relation, INDEX_ATTR_BITMAP_PRIMARY_KEY);
    for (int member = -1; (member = bms_next_member(key, member)) >= 0;)
        images->key = bms_add_member(images->key, member + FirstLowInvalidHeapAttributeNumber);
    return images;
}

// ---- the usual way ------------------------------------------------------------------------------------------------

Size limit() {
    return static_cast<Size>(settings::maxEventSize) * 1024;
}

TupleTableSlot* slotOf(RowKind row, ExprContext* evaluation) {
    return row == oldRow ? evaluation->ecxt_innertuple : evaluation->ecxt_outertuple;
}

Size rawSize(Datum value) {
    return toast_raw_datum_size(value) - VARHDRSZ;
}

// Adds the bytes of the large values of a row. True if one of its values may raise an error.
bool measure(const RowImages* images, TupleTableSlot* row, Size* bytes) {
    bool mayRaise = false;
    slot_getallattrs(row);
    for (int i = 0; i < images->doubtfulCount; ++i) {
        const DoubtfulColumn* column = &images->doubtful[i];
        if (row->tts_isnull[column->index]) continue;
        Size size = column->varying ? rawSize(row->tts_values[column->index]) : 0;
        *bytes += size;
        mayRaise |= column->json == JsonSafety::foreign || column->json == JsonSafety::mayRaise ||
                    (column->json == JsonSafety::nested && size > shallow);
    }
    return mayRaise;
}

// Runs `work` with a search path on which nobody can have put functions of his own. An abort restores it, too.
template <typename Work>
void withSafeSearchPath(const RowImages* images, Work work) {
    if (!images->callsForeign) {
        work();
        return;
    }
    int level = NewGUCNestLevel();
    setLocal("search_path", "pg_catalog, pg_temp");
    work();
    AtEOXact_GUC(true, level);
}

// False if an error kept it from being made, which is forgotten.
bool makeUsual(const RowImages* images, bool mayRaise, ExprContext* evaluation, Datum* data, bool* isNull) {
    if (!mayRaise) {
        *data = ExecEvalExprSwitchContext(images->usual, evaluation, isNull);
        return true;
    }
    MemoryContext before = MemoryContextSwitchTo(evaluation->ecxt_per_tuple_memory);
    ErrorData* error = trySubtransaction([images, evaluation, data, isNull] {
        withSafeSearchPath(images, [images, evaluation, data, isNull] {
            *data = ExecEvalExprSwitchContext(images->usual, evaluation, isNull);
        });
    });
    MemoryContextSwitchTo(before);
    return error == nullptr;
}

// ---- column by column ---------------------------------------------------------------------------------------------

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

Values collect(const RowImages* images, ExprContext* evaluation) {
    Values values = {0, nullptr};
    for (int row = 0; row < rowKinds; ++row) {
        if (images->parts[row] != partImage) continue;
        TupleTableSlot* slot = slotOf(static_cast<RowKind>(row), evaluation);
        slot_getallattrs(slot);
        int columns = slot->tts_tupleDescriptor->natts;
        Size bytes = sizeof(Value) * (values.count + columns);
        values.items = static_cast<Value*>(values.items == nullptr ? palloc(bytes) : repalloc(values.items, bytes));
        for (int i = 0; i < columns; ++i) {
            Form_pg_attribute column = TupleDescAttr(slot->tts_tupleDescriptor, i);
            if (column->attisdropped) continue;
            Value* value = &values.items[values.count++];
            memset(value, 0, sizeof *value);
            value->row = static_cast<RowKind>(row);
            value->column = column;
            value->isKey = bms_is_member(column->attnum, images->key);
            value->isNull = slot->tts_isnull[i];
            value->datum = slot->tts_values[i];
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

void pushImage(JsonbParseState** state, const Values* values, int row) {
    (void)pushJsonbValue(state, WJB_BEGIN_OBJECT, nullptr);
    bool complete = true;
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

Jsonb* assemble(const RowImages* images, const Values* values) {
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
        pushText(&state, WJB_KEY, rowNames[row]);
        if (images->parts[row] == partImage)
            pushImage(&state, values, row);
        else
            pushJson(&state, nullptr);
    }
    return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, nullptr));
}

Datum makeByColumn(const RowImages* images, ExprContext* evaluation) {
    Values values = collect(images, evaluation);
    Size room = limit();
    // Nothing that is too large is made.
    (void)fit(&values, room);
    makeJson(images, &values, evaluation);
    for (;;) {
        bool mayShrink = fit(&values, room);
        Jsonb* data = assemble(images, &values);
        // What was counted is not quite what it takes: there are alignment, and the notes.
        Size excess = VARSIZE(data) > limit() ? VARSIZE(data) - limit() : 0;
        if (excess == 0 || !mayShrink || room == 0) return JsonbPGetDatum(data);
        room -= Min(room, excess);
    }
}

}  // namespace

RowImages* compileImages(Expr* data, Operation operation, Relation relation) {
    RowImages* images = makeRowImages(operation, relation);
    images->known = isKnown(reinterpret_cast<Node*>(data), images->parts);
    if (images->known)
        images->truncated = false;
    else
        partsOf(operation, images->parts);
    if (data == nullptr) return images;
    if (images->computedCount > 0) data = withVirtualColumns(data, relation);
    images->usual = ExecInitExpr(data, nullptr);
    images->callsForeign |= callsForeign(reinterpret_cast<Node*>(data));
    return images;
}

RowImages* imagesOfRows(Operation operation, Relation relation) {
    return makeRowImages(operation, relation);
}

Datum makeImages(const RowImages* images, ExprContext* evaluation) {
    if (images->usual != nullptr) {
        bool mayRaise = !images->known || images->computedMayRaise;
        Size bytes = 0;
        for (int row = 0; images->known && row < rowKinds; ++row)
            if (images->parts[row] == partImage)
                mayRaise |= measure(images, slotOf(static_cast<RowKind>(row), evaluation), &bytes);
        Datum data = 0;
        bool isNull = true;
        if (bytes <= limit() && makeUsual(images, mayRaise, evaluation, &data, &isNull) &&
            (isNull || VARSIZE_ANY(DatumGetPointer(data)) <= limit()))
            return isNull ? 0 : data;
    }
    MemoryContext before = MemoryContextSwitchTo(evaluation->ecxt_per_tuple_memory);
    Datum data = makeByColumn(images, evaluation);
    MemoryContextSwitchTo(before);
    return data;
}

}  // namespace specql::capture
