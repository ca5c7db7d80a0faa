#include "pg/capture/omitted.hpp"

#include "pg/bridge/entry.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/capture/carried.hpp"
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

const char* hintFor(const char* reason) {
    if (strcmp(reason, reasonPrivate) == 0 || strcmp(reason, reasonUnknown) == 0)
        return "Private fields are not kept with events: what needs one is done when the event happens, and not again.";
    if (strcmp(reason, reasonUndeclared) == 0)
        return "With columns: declared events carry the fields of the spec alone: declare the column, for events to "
               "come.";
    return "It was left out when the event happened; the row itself may still have it. Of what is too large, a "
           "superuser can let events to come carry more: specql.max_event_size.";
}

[[noreturn]] void refuse(const char* row, const char* column, const char* reason, const char* about = nullptr) {
    ereport(ERROR, (errcode(sqlstate::notCarried),
                    errmsg("the event does not carry %s%s%s: %s", row, *row != '\0' ? "." : "", column, reason),
                    about != nullptr ? errdetail_internal("%s", about) : 0, errhint("%s", hintFor(reason))));
    pg_unreachable();
}

// `readOf` gives the column to name if one is needed that a key of the note stands for; nullptr if none is.
template <typename ReadOf>
void requireNoted(Jsonb* image, const char* row, ReadOf readOf, const char* about = nullptr) {
    JsonbContainer* note = noteOf(image);
    if (note == nullptr) return;
    JsonbIterator* iterator = JsonbIteratorInit(note);
    JsonbValue key, reason;
    for (JsonbIteratorToken token; (token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE;) {
        if (token != WJB_KEY) continue;
        const char* noted = textOf(&key);
        (void)JsonbIteratorNext(&iterator, &reason, true);
        if (const char* column = readOf(noted)) refuse(row, column, textOf(&reason), about);
    }
}

// Does the key of a note stand for this column, of which the image may have the value?
bool standsFor(const char* noted, const char* column, Jsonb* image) {
    if (strcmp(noted, everyOther) != 0) return strcmp(noted, column) == 0;
    return valueAt(&image->root, column) == nullptr && valueAt(noteOf(image), column) == nullptr;
}

bool isWithheldReason(const JsonbValue* value) {
    const char* reason = textOf(value);
    return strcmp(reason, reasonPrivate) == 0 || strcmp(reason, reasonUndeclared) == 0 ||
           strcmp(reason, reasonUnknown) == 0;
}

bool saysMore(JsonbContainer* note) {
    JsonbIterator* iterator = JsonbIteratorInit(note);
    JsonbValue item;
    for (JsonbIteratorToken token; (token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE;)
        if (token == WJB_VALUE && !isWithheldReason(&item)) return true;
    return false;
}

}  // namespace

void addColumnsRead(Node* expression, ColumnsRead* columns) {
    (void)walk(expression, columns);
}

bool carriesAll(Jsonb* data, bool butWithheld) {
    if (!JB_ROOT_IS_OBJECT(data)) return true;
    for (const char* row : {"old", "new", changedKey}) {
        JsonbValue* image = valueAt(&data->root, row);
        if (image == nullptr || image->type != jbvBinary || !JsonContainerIsObject(image->val.binary.data)) continue;
        JsonbValue* note = valueAt(image->val.binary.data, omittedKey);
        bool isNote = note != nullptr && note->type == jbvBinary && JsonContainerIsObject(note->val.binary.data);
        if (note != nullptr && !(butWithheld && isNote && !saysMore(note->val.binary.data))) return false;
    }
    return true;
}

void requireCarried(Jsonb* image, const char* row, Relation relation, const Bitmapset* columns) {
    requireNoted(image, row, [image, relation, columns](const char* noted) -> const char* {
        if (bms_is_member(0, columns)) return noted;
        for (int column = -1; (column = bms_next_member(columns, column)) >= 0;) {
            const char* name = get_attname(RelationGetRelid(relation), static_cast<AttrNumber>(column), true);
            if (name != nullptr && standsFor(noted, name, image)) return name;
        }
        return nullptr;
    });
}

void requireWhole(Jsonb* image, const char* row, const char* about) {
    requireNoted(
        image, row, [](const char* noted) { return noted; }, about);
}

void requireKeyCarried(Jsonb* object, const char* key) {
    JsonbContainer* note = noteOf(object);
    JsonbValue* reason = note == nullptr ? nullptr : valueAt(note, key);
    if (reason != nullptr) refuse("", key, textOf(reason));
}

namespace {

// The first of the elements of a text[] that a key of the note of an image stands for; nullptr if it stands for none.
const char* firstNoted(const char* noted, const Datum* elements, const bool* nulls, int count, Jsonb* image) {
    for (int i = 0; i < count; ++i) {
        const char* column = nulls[i] ? nullptr : TextDatumGetCString(elements[i]);
        if (column != nullptr && standsFor(noted, column, image)) return column;
    }
    return nullptr;
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
    requireNoted(image, row, [columns, nulls, count, image](const char* noted) {
        return firstNoted(noted, columns, nulls, count, image);
    });
    PG_RETURN_JSONB_P(image);
}

}  // namespace specql::capture
