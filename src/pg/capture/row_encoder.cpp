#include "pg/capture/row_encoder.hpp"

#include "pg/capture/omitted.hpp"
#include "pg/capture/safety.hpp"

extern "C" {
#include "utils/datetime.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
}

namespace specql::capture {

namespace {

// How the values of a type are written.
enum class Form {
    boolean,
    int2,
    int4,
    int8,
    numeric,
    floating,
    text,
    name,
    uuid,
    time,  // what ISO 8601 has a form for
    jsonb,
    output,  // the text of the output function
    asked,   // to_jsonb() makes it
    note     // of what is withheld, the same in each image
};

struct ImagedColumn {
    int index;
    const char* name;
    Size nameLength;
    Oid type;
    Form form;
    FmgrInfo function;  // of floating, output, asked
    const Jsonb* note;
};

Form formOf(Oid type) {
    switch (type) {
        case BOOLOID: return Form::boolean;
        case INT2OID: return Form::int2;
        case INT4OID: return Form::int4;
        case INT8OID: return Form::int8;
        case NUMERICOID: return Form::numeric;
        case FLOAT4OID:
        case FLOAT8OID: return Form::floating;
        case TEXTOID:
        case VARCHAROID:
        case BPCHAROID: return Form::text;
        case NAMEOID: return Form::name;
        case UUIDOID: return Form::uuid;
        case DATEOID:
        case TIMESTAMPOID:
        case TIMESTAMPTZOID: return Form::time;
        case JSONBOID: return Form::jsonb;
        default: break;
    }
    bool hasParts = OidIsValid(get_element_type(type)) || type_is_rowtype(type);
    return hasParts || jsonSafety(type) != JsonSafety::safe ? Form::asked : Form::output;
}

void findFunction(ImagedColumn* column, Form_pg_attribute attribute) {
    if (column->form == Form::asked) {
        // It asks its expression for the type of its argument.
        Node* argument =
            reinterpret_cast<Node*>(makeNullConst(column->type, attribute->atttypmod, attribute->attcollation));
        fmgr_info(F_TO_JSONB, &column->function);
        fmgr_info_set_expr(reinterpret_cast<Node*>(makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(argument), InvalidOid,
                                                                InvalidOid, COERCE_EXPLICIT_CALL)),
                           &column->function);
    } else if (column->form == Form::output || column->form == Form::floating) {
        Oid function;
        bool isVarlena;
        getTypeOutputInfo(column->type, &function, &isVarlena);
        fmgr_info(function, &column->function);
    }
}

int byKey(const void* left, const void* right) {
    const auto* one = static_cast<const ImagedColumn*>(left);
    const auto* other = static_cast<const ImagedColumn*>(right);
    return compareKeys(one->name, one->nameLength, other->name, other->nameLength);
}

// ---- values -------------------------------------------------------------------------------------------------------

JEntry writeCString(JsonWriter* json, const char* text) {
    return writeText(json, text, strlen(text));
}

// What is written of a number: digits, or the name of a value that JSON has no digits for.
JEntry writeNumberText(JsonWriter* json, char* text) {
    if (strpbrk(text, "Nn") != nullptr) return writeCString(json, text);
    Datum number =
        DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
    return writeNumeric(json, reinterpret_cast<varlena*>(DatumGetPointer(number)));
}

JEntry writeNumber(JsonWriter* json, Datum value) {
    const varlena* number = PG_DETOAST_DATUM_PACKED(value);
    if (isFinite(number)) return writeNumeric(json, number);
    return writeCString(json, DatumGetCString(DirectFunctionCall1(numeric_out, value)));
}

JEntry writeUuid(JsonWriter* json, const pg_uuid_t* uuid) {
    constexpr char digits[] = "0123456789abcdef";
    constexpr int textLength = 2 * UUID_LEN + 4;
    char* place = extend(json, textLength);
    for (int i = 0; i < UUID_LEN; ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) *place++ = '-';
        *place++ = digits[uuid->data[i] >> 4];
        *place++ = digits[uuid->data[i] & 0xF];
    }
    return JENTRY_ISSTRING | textLength;
}

JEntry writeTime(JsonWriter* json, Datum value, Oid type) {
    char text[MAXDATELEN + 1];
    (void)JsonEncodeDateTime(text, value, type, nullptr);
    return writeCString(json, text);
}

JEntry writeColumn(JsonWriter* json, ImagedColumn* column, Datum value) {
    switch (column->form) {
        case Form::boolean: return DatumGetBool(value) ? JENTRY_ISBOOL_TRUE : JENTRY_ISBOOL_FALSE;
        case Form::int2: return writeInteger(json, DatumGetInt16(value));
        case Form::int4: return writeInteger(json, DatumGetInt32(value));
        case Form::int8: return writeInteger(json, DatumGetInt64(value));
        case Form::numeric: return writeNumber(json, value);
        case Form::floating: return writeNumberText(json, OutputFunctionCall(&column->function, value));
        case Form::text: {
            const varlena* text = PG_DETOAST_DATUM_PACKED(value);
            return writeText(json, VARDATA_ANY(text), VARSIZE_ANY_EXHDR(text));
        }
        case Form::name: return writeCString(json, NameStr(*DatumGetName(value)));
        case Form::uuid: return writeUuid(json, DatumGetUUIDP(value));
        case Form::time: return writeTime(json, value, column->type);
        case Form::jsonb: return writeJsonb(json, PG_DETOAST_DATUM_PACKED(value));
        case Form::output: return writeCString(json, OutputFunctionCall(&column->function, value));
        case Form::asked: return writeJsonb(json, PG_DETOAST_DATUM_PACKED(FunctionCall1(&column->function, value)));
        case Form::note: return writeJsonb(json, reinterpret_cast<const varlena*>(column->note));
    }
    pg_unreachable();
}

}  // namespace

struct RowEncoder {
    int count;
    ImagedColumn* columns;  // in the order of their keys
    const char* beginning;  // of the object that is the image of a row, up to its values
    Size beginningLength;
    uint32 keyBytes;
};

bool isImaged(Form_pg_attribute column, const Withheld& withheld) {
    return !column->attisdropped && !isWithheld(withheld, column->attnum - 1);
}

RowEncoder* makeRowEncoder(TupleDesc columns, const Withheld& withheld) {
    auto* encoder = static_cast<RowEncoder*>(palloc0(sizeof(RowEncoder)));
    encoder->columns = static_cast<ImagedColumn*>(palloc0(sizeof(ImagedColumn) * (columns->natts + 1)));
    for (int i = 0; i < columns->natts; ++i) {
        Form_pg_attribute attribute = TupleDescAttr(columns, i);
        if (!isImaged(attribute, withheld)) continue;
        ImagedColumn* column = &encoder->columns[encoder->count++];
        column->index = i;
        column->name = pstrdup(NameStr(attribute->attname));
        column->nameLength = strlen(column->name);
        column->type = getBaseType(attribute->atttypid);
        column->form = formOf(column->type);
        findFunction(column, attribute);
    }
    if (withheld.note != nullptr) {
        ImagedColumn* column = &encoder->columns[encoder->count++];
        column->name = omittedKey;
        column->nameLength = strlen(omittedKey);
        column->form = Form::note;
        column->note = withheld.note;
    }
    qsort(encoder->columns, encoder->count, sizeof(ImagedColumn), byKey);
    JsonWriter json = beginJson(64 * (encoder->count + 1));
    JsonObject object = beginObject(&json, encoder->count);
    for (int i = 0; i < encoder->count; ++i)
        addEntry(&json, &object, writeText(&json, encoder->columns[i].name, encoder->columns[i].nameLength));
    encoder->beginning = json.bytes + object.start;
    encoder->beginningLength = json.length - object.start;
    encoder->keyBytes = object.bytes;
    return encoder;
}

namespace {

bool isWritten(const ImagedColumn& column, const bool* chosen) {
    return chosen == nullptr || (column.form != Form::note && chosen[column.index]);
}

// The beginning of an image with some of the columns.
JsonObject beginChosen(JsonWriter* json, const RowEncoder* encoder, const bool* chosen) {
    uint32 pairs = 0;
    for (int i = 0; i < encoder->count; ++i)
        pairs += isWritten(encoder->columns[i], chosen) ? 1 : 0;
    JsonObject object = beginObject(json, pairs);
    for (int i = 0; i < encoder->count; ++i) {
        const ImagedColumn& column = encoder->columns[i];
        if (isWritten(column, chosen)) addEntry(json, &object, writeText(json, column.name, column.nameLength));
    }
    return object;
}

}  // namespace

JEntry writeRow(JsonWriter* json, RowEncoder* encoder, const RowValues* row) {
    JsonObject object = row->chosen != nullptr ? beginChosen(json, encoder, row->chosen)
                                               : beginObject(json, encoder->count, encoder->beginning,
                                                             encoder->beginningLength, encoder->keyBytes);
    for (int i = 0; i < encoder->count; ++i) {
        ImagedColumn* column = &encoder->columns[i];
        if (!isWritten(*column, row->chosen)) continue;
        bool isNull = column->form != Form::note && row->nulls[column->index];
        addEntry(json, &object, isNull ? JENTRY_ISNULL : writeColumn(json, column, row->values[column->index]));
    }
    return endObject(json, &object);
}

}  // namespace specql::capture
