#include "pg/base/event_settings.hpp"
#include "pg/bridge/subtransaction.hpp"
#include "pg/capture/row_images.hpp"
#include "pg/capture/whole_images.hpp"

extern "C" {
#include "access/detoast.h"
#include "utils/fmgroids.h"
}

namespace specql::capture {

namespace {

const char* const rowNames[rowKinds] = {"old", "new"};
// Deeper values may need more stack to be written than they did to be read.
constexpr Size shallow = 2048;
// JSON of that size is not nested deeper: an object or array has two words at least.
constexpr int mostLevels = shallow / (2 * sizeof(JEntry));

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
    return var->varattno == 0 && compat::entryOf(var) == varnoOf(row);
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
        if (!isImaged(column, images->withheld) || compat::isVirtual(column)) continue;
        JsonSafety json = jsonSafety(column->atttypid);
        if (column->attlen > 0 && json == JsonSafety::safe) continue;
        bool isJsonb = getBaseType(column->atttypid) == JSONBOID;
        images->doubtful[images->doubtfulCount++] = {i, column->attlen == -1, isJsonb, json};
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
        if (!isImaged(column, images->withheld) || !compat::isVirtual(column)) continue;
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
    images->columns = CreateTupleDescCopy(RelationGetDescr(relation));
    images->withheld = withheldFrom(relation);
    findDoubtful(images, RelationGetDescr(relation));
    findComputed(images, relation);
    Bitmapset* key = RelationGetIndexAttrBitmap(relation, INDEX_ATTR_BITMAP_PRIMARY_KEY);
    for (int member = -1; (member = bms_next_member(key, member)) >= 0;)
        images->key = bms_add_member(images->key, member + FirstLowInvalidHeapAttributeNumber);
    return images;
}

// ---- a row ----------------------------------------------------------------------------------------------------------

TupleTableSlot* slotOf(int row, ExprContext* evaluation) {
    return row == oldRow ? evaluation->ecxt_innertuple : evaluation->ecxt_outertuple;
}

// Is the stored value the same? What has the same bytes is, wherever they are stored. Others of the same size are
// detoasted, in their place, as they would be to be written.
bool isSame(Form_pg_attribute column, Datum* left, Datum* right) {
    if (column->attbyval) return *left == *right;
    if (column->attlen > 0) return memcmp(DatumGetPointer(*left), DatumGetPointer(*right), column->attlen) == 0;
    Size size = VARSIZE_ANY(DatumGetPointer(*left));
    if (size == VARSIZE_ANY(DatumGetPointer(*right)) &&
        memcmp(DatumGetPointer(*left), DatumGetPointer(*right), size) == 0)
        return true;
    if (rawSize(*left) != rawSize(*right) || rawSize(*left) > imagesLimit()) return false;
    varlena *one = PG_DETOAST_DATUM_PACKED(*left), *other = PG_DETOAST_DATUM_PACKED(*right);
    *left = PointerGetDatum(one);
    *right = PointerGetDatum(other);
    return memcmp(VARDATA_ANY(one), VARDATA_ANY(other), VARSIZE_ANY_EXHDR(one)) == 0;
}

// Chooses the columns that have another value in the new row. Virtual ones count as such: they are computed anyway.
void chooseChanged(const RowImages* images, EventRows* rows) {
    RowValues *old = &rows->rows[oldRow], *fresh = &rows->rows[newRow];
    auto* changed = static_cast<bool*>(palloc(sizeof(bool) * images->columns->natts));
    for (int i = 0; i < images->columns->natts; ++i) {
        Form_pg_attribute column = TupleDescAttr(images->columns, i);
        if (isWithheld(images->withheld, i))
            changed[i] = false;
        else if (old->nulls[i] || fresh->nulls[i])
            changed[i] = old->nulls[i] != fresh->nulls[i];
        else
            changed[i] = !column->attisdropped && !isSame(column, &old->values[i], &fresh->values[i]);
    }
    for (int i = 0; i < images->computedCount; ++i)
        changed[images->computed[oldRow][i].index] = true;
    old->chosen = changed;
}

// The values are copied, because computed and detoasted ones take their place.
EventRows rowsOf(const RowImages* images, ExprContext* evaluation) {
    EventRows result;
    memset(&result, 0, sizeof result);
    int count = images->columns->natts;
    for (int row = 0; row < rowKinds; ++row) {
        if (images->parts[row] != partImage) continue;
        TupleTableSlot* slot = slotOf(row, evaluation);
        slot_getallattrs(slot);
        RowValues* values = &result.rows[row];
        values->values = static_cast<Datum*>(palloc(sizeof(Datum) * count));
        values->nulls = static_cast<bool*>(palloc(sizeof(bool) * count));
        memcpy(values->values, slot->tts_values, sizeof(Datum) * count);
        memcpy(values->nulls, slot->tts_isnull, sizeof(bool) * count);
    }
    bool isUpdate = images->parts[oldRow] == partImage && images->parts[newRow] == partImage;
    if (isUpdate && images->encoder != nullptr && settings::eventImages == settings::imagesChanged)
        chooseChanged(images, &result);
    return result;
}

// Is the object or array nested deeper than so many levels?
bool isDeeper(const JsonbContainer* container, int levels) {
    if (levels == 0) return true;
    uint32 count = JsonContainerSize(container) * (JsonContainerIsObject(container) ? 2 : 1);
    const char* data = reinterpret_cast<const char*>(container->children + count);
    uint32 offset = 0;
    for (uint32 i = 0; i < count; ++i) {
        JEntry entry = container->children[i];
        if (JBE_ISCONTAINER(entry) &&
            isDeeper(reinterpret_cast<const JsonbContainer*>(data + INTALIGN(offset)), levels - 1))
            return true;
        JBE_ADVANCE_OFFSET(offset, entry);
    }
    return false;
}

// May writing the value, of so many bytes, raise an error?
bool mayRaise(const DoubtfulColumn* column, Size size, Datum* value) {
    if (column->json == JsonSafety::safe || (column->json == JsonSafety::nested && size <= shallow)) return false;
    if (!column->isJsonb) return true;
    Jsonb* json = DatumGetJsonbP(*value);
    *value = JsonbPGetDatum(json);
    return isDeeper(&json->root, mostLevels);
}

// Adds the bytes of the large values of a row. True if one of its values may raise an error, or they are too many.
bool measure(const RowImages* images, const RowValues* row, Size* bytes) {
    bool doubtful = false;
    for (int i = 0; i < images->doubtfulCount; ++i) {
        const DoubtfulColumn* column = &images->doubtful[i];
        if (row->nulls[column->index] || (row->chosen != nullptr && !row->chosen[column->index])) continue;
        Size size = column->varying ? rawSize(row->values[column->index]) : 0;
        *bytes += size;
        // Nothing that is too large is made.
        doubtful = doubtful || *bytes > imagesLimit() || mayRaise(column, size, &row->values[column->index]);
    }
    return doubtful;
}

void compute(const RowImages* images, const EventRows* rows, ExprContext* evaluation) {
    for (int row = 0; row < rowKinds; ++row) {
        if (images->parts[row] != partImage) continue;
        const RowValues* values = &rows->rows[row];
        for (int i = 0; i < images->computedCount; ++i) {
            const ComputedColumn* column = &images->computed[row][i];
            values->values[column->index] =
                ExecEvalExprSwitchContext(column->value, evaluation, &values->nulls[column->index]);
        }
    }
}

// ---- the data of nearly all events -------------------------------------------------------------------------------

Datum encode(const RowImages* images, const EventRows* rows, Size expected) {
    // In the order of their keys, whatever the old row's is.
    constexpr RowKind order[] = {newRow, oldRow};
    int parts = 0;
    for (Part part : images->parts)
        parts += part != partAbsent ? 1 : 0;
    JsonWriter json = beginJson(expected);
    JsonObject object = beginObject(&json, parts);
    for (RowKind row : order)
        if (images->parts[row] != partAbsent)
            addEntry(&json, &object, writeText(&json, keyOf(rows, row), strlen(keyOf(rows, row))));
    for (RowKind row : order)
        if (images->parts[row] != partAbsent)
            addEntry(&json, &object,
                     images->parts[row] == partImage ? writeRow(&json, images->encoder, &rows->rows[row])
                                                     : static_cast<JEntry>(JENTRY_ISNULL));
    return JsonbPGetDatum(endJson(&json));
}

// Runs `work`, which makes data. False if an error kept it from that, which is forgotten.
template <typename Work>
bool succeeds(const RowImages* images, bool mayRaise, Work work) {
    if (!mayRaise) {
        work();
        return true;
    }
    return trySubtransaction([images, work] { withSafeSearchPath(images, work); }) == nullptr;
}

bool makeEncoded(const RowImages* images, const EventRows* rows, ExprContext* evaluation, Datum* data) {
    // A guess that is enough for most.
    constexpr Size bytesOfColumn = 32;
    Size bytes = 0;
    bool mayRaise = images->computedMayRaise;
    for (int row = 0; row < rowKinds; ++row)
        if (images->parts[row] == partImage) mayRaise = measure(images, &rows->rows[row], &bytes) || mayRaise;
    if (bytes > imagesLimit()) return false;
    Size expected = bytes + rowKinds * bytesOfColumn * (images->columns->natts + 1);
    return succeeds(images, mayRaise, [images, rows, evaluation, data, expected] {
        compute(images, rows, evaluation);
        *data = encode(images, rows, expected);
    });
}

// False, too, if there is no expression.
bool makeUsual(const RowImages* images, ExprContext* evaluation, Datum* data) {
    if (images->usual == nullptr) return false;
    return succeeds(images, images->mayRaise, [images, evaluation, data] {
        bool isNull;
        *data = ExecEvalExprSwitchContext(images->usual, evaluation, &isNull);
        if (isNull) *data = 0;
    });
}

}  // namespace

Size imagesLimit() {
    return static_cast<Size>(settings::maxEventSize) * 1024;
}

Size rawSize(Datum value) {
    return toast_raw_datum_size(value) - VARHDRSZ;
}

const char* keyOf(const EventRows* rows, RowKind row) {
    return rows->rows[row].chosen != nullptr ? changedKey : rowNames[row];
}

RowImages* compileImages(Expr* data, Operation operation, Relation relation) {
    RowImages* images = makeRowImages(operation, relation);
    Part parts[rowKinds];
    bool known = isKnown(reinterpret_cast<Node*>(data), parts);
    if (known) {
        memcpy(images->parts, parts, sizeof parts);
        images->truncated = false;
    }
    bool hasImage = images->parts[oldRow] == partImage || images->parts[newRow] == partImage;
    // An expression of somebody's own would carry what it likes.
    if (images->withheld.note != nullptr && !known) data = nullptr;
    if (hasImage && (known || data == nullptr))
        images->encoder = makeRowEncoder(RelationGetDescr(relation), images->withheld);
    if (images->encoder != nullptr || data == nullptr) return images;
    if (images->computedCount > 0) data = withVirtualColumns(data, relation);
    images->usual = ExecInitExpr(data, nullptr);
    images->mayRaise = !known;
    images->callsForeign |= callsForeign(reinterpret_cast<Node*>(data));
    return images;
}

bool areWithheld(const RowImages* images, const ColumnsRead& columns) {
    if (images->withheld.note == nullptr) return false;
    for (const Bitmapset* read : {columns.old, columns.fresh})
        for (int column = -1; (column = bms_next_member(read, column)) >= 0;)
            if (column == 0 || isWithheld(images->withheld, column - 1)) return true;
    return false;
}

RowImages* imagesOfRows(Operation operation, Relation relation) {
    return compileImages(nullptr, operation, relation);
}

Datum makeImages(const RowImages* images, ExprContext* evaluation) {
    MemoryContext before = MemoryContextSwitchTo(evaluation->ecxt_per_tuple_memory);
    EventRows rows = rowsOf(images, evaluation);
    Datum data = 0;
    bool made = images->encoder != nullptr ? makeEncoded(images, &rows, evaluation, &data)
                                           : makeUsual(images, evaluation, &data);
    if (!made || (data != 0 && VARSIZE_ANY(DatumGetPointer(data)) > imagesLimit()))
        data = makeByColumn(images, &rows, evaluation);
    MemoryContextSwitchTo(before);
    return data;
}

}  // namespace specql::capture
