#include "pg/capture/omitted.hpp"

#include "pg/bridge/entry.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/capture/whole_images.hpp"

namespace specql::capture {

namespace {

bool walk(Node* node, void* context) {
    if (node == nullptr) return false;
    if (IsA(node, Var)) {
        auto* columns = static_cast<ColumnsRead*>(context);
        const Var* var = reinterpret_cast<Var*>(node);
        Bitmapset** read = var->varno == INNER_VAR ? &columns->old : &columns->fresh;
        *read = bms_add_member(*read, var->varattno);
        return false;
    }
    return expression_tree_walker(node, compat::walkerArgument(walk), context);
}

JsonbValue* valueAt(JsonbContainer* object, const char* key) {
    return getKeyJsonValueFromContainer(object, key, static_cast<int>(strlen(key)), nullptr);
}

// The note of an image; nullptr if it has none.
JsonbContainer* noteOf(Jsonb* image) {
    if (image == nullptr || !JB_ROOT_IS_OBJECT(image)) return nullptr;
    JsonbValue* note = valueAt(&image->root, omittedKey);
    bool isObject = note != nullptr && note->type == jbvBinary && JsonContainerIsObject(note->val.binary.data);
    return isObject ? note->val.binary.data : nullptr;
}

char* textOf(const JsonbValue* value) {
    return value->type == jbvString ? pnstrdup(value->val.string.val, value->val.string.len) : pstrdup("?");
}

[[noreturn]] void refuse(const char* row, const char* column, const char* reason, const char* about = nullptr) {
    ereport(ERROR, (errcode(sqlstate::notCarried),
                    errmsg("the event does not carry %s%s%s: %s", row, *row != '\0' ? "." : "", column, reason),
                    about != nullptr ? errdetail_internal("%s", about) : 0,
                    errhint("It was left out when the event happened; the row itself may still have it. Of what is too "
                            "large, a superuser can let events to come carry more: specql.max_event_size.")));
    pg_unreachable();
}

// `isRead` tells by its name whether a column is needed.
template <typename IsRead>
void requireNoted(Jsonb* image, const char* row, IsRead isRead, const char* about = nullptr) {
    JsonbContainer* note = noteOf(image);
    if (note == nullptr) return;
    JsonbIterator* iterator = JsonbIteratorInit(note);
    JsonbValue key, reason;
    for (JsonbIteratorToken token; (token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE;) {
        if (token != WJB_KEY) continue;
        const char* column = textOf(&key);
        (void)JsonbIteratorNext(&iterator, &reason, true);
        if (isRead(column)) refuse(row, column, textOf(&reason), about);
    }
}

}  // namespace

void addColumnsRead(Node* expression, ColumnsRead* columns) {
    (void)walk(expression, columns);
}

bool carriesAll(Jsonb* data) {
    if (!JB_ROOT_IS_OBJECT(data)) return true;
    for (const char* row : {"old", "new", changedKey}) {
        JsonbValue* image = valueAt(&data->root, row);
        if (image == nullptr || image->type != jbvBinary || !JsonContainerIsObject(image->val.binary.data)) continue;
        if (valueAt(image->val.binary.data, omittedKey) != nullptr) return false;
    }
    return true;
}

void requireCarried(Jsonb* image, const char* row, Relation relation, const Bitmapset* columns) {
    requireNoted(image, row, [relation, columns](const char* column) {
        if (bms_is_member(0, columns)) return true;
        AttrNumber number = get_attnum(RelationGetRelid(relation), column);
        return number > 0 && bms_is_member(number, columns);
    });
}

void requireWhole(Jsonb* image, const char* row, const char* about) {
    requireNoted(
        image, row, [](const char*) { return true; }, about);
}

void requireKeyCarried(Jsonb* object, const char* key) {
    JsonbContainer* note = noteOf(object);
    JsonbValue* reason = note == nullptr ? nullptr : valueAt(note, key);
    if (reason != nullptr) refuse("", key, textOf(reason));
}

namespace {

// Is the name one of the elements of a text[]?
bool isAmong(const char* name, const Datum* elements, const bool* nulls, int count) {
    for (int i = 0; i < count; ++i)
        if (!nulls[i] && strcmp(TextDatumGetCString(elements[i]), name) == 0) return true;
    return false;
}

}  // namespace

// specql.image(data, row, columns): the image of the old or the new row in an event's data, for whoever reads these
// columns of it; for NULL all.
SPECQL_FUNCTION(specql_image) {
    if (PG_ARGISNULL(0) || PG_ARGISNULL(1)) PG_RETURN_NULL();
    Jsonb* data = wholeImages(PG_GETARG_JSONB_P(0));
    const char* row = text_to_cstring(PG_GETARG_TEXT_PP(1));
    JsonbValue* value = JB_ROOT_IS_OBJECT(data) ? valueAt(&data->root, row) : nullptr;
    if (value == nullptr || value->type == jbvNull) PG_RETURN_NULL();
    Jsonb* image = JsonbValueToJsonb(value);
    if (PG_ARGISNULL(2)) {
        requireWhole(image, row, nullptr);
        PG_RETURN_JSONB_P(image);
    }
    Datum* columns;
    bool* nulls;
    int count;
    deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), TEXTOID, -1, false, TYPALIGN_INT, &columns, &nulls, &count);
    requireNoted(image, row,
                 [columns, nulls, count](const char* name) { return isAmong(name, columns, nulls, count); });
    PG_RETURN_JSONB_P(image);
}

}  // namespace specql::capture
