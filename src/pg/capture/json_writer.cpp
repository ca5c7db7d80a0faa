#include "pg/capture/json_writer.hpp"

namespace specql::capture {

namespace {

// Numbers and containers begin at multiples of four bytes. Returns how many bytes that took.
Size align(JsonWriter* json) {
    Size padding = INTALIGN(json->length) - json->length;
    memset(extend(json, padding), 0, padding);
    return padding;
}

JEntry entryOf(uint32 type, Size length) {
    return type | static_cast<uint32>(length);
}

// The stored form of a number: a header, and its digits to the base of 10,000, the most significant first, without
// zeros at the end. See numeric.c; this form is on disks, so it is the same in all versions.
constexpr uint16_t kindOfNumber = 0xC000;
constexpr uint16_t shortNumber = 0x8000;
constexpr uint16_t endlessNumber = 0xC000;
constexpr uint16_t negativeNumber = 0x2000;
constexpr int digitBase = 10000;
constexpr int mostDigits = 5;  // of an integer with 64 bits

}  // namespace

int compareKeys(const char* left, Size leftLength, const char* right, Size rightLength) {
    if (leftLength != rightLength) return leftLength < rightLength ? -1 : 1;
    return memcmp(left, right, leftLength);
}

JsonWriter beginJson(Size expected) {
    JsonWriter json = {static_cast<char*>(palloc(expected + VARHDRSZ)), VARHDRSZ, expected + VARHDRSZ};
    return json;
}

Jsonb* endJson(JsonWriter* json) {
    SET_VARSIZE(json->bytes, json->length);
    return reinterpret_cast<Jsonb*>(json->bytes);
}

char* extend(JsonWriter* json, Size bytes) {
    if (bytes > json->capacity - json->length) {
        json->capacity = Max(2 * json->capacity, json->length + bytes);
        json->bytes = static_cast<char*>(repalloc(json->bytes, json->capacity));
    }
    char* place = json->bytes + json->length;
    json->length += bytes;
    return place;
}

JEntry writeText(JsonWriter* json, const char* text, Size length) {
    memcpy(extend(json, length), text, length);
    return entryOf(JENTRY_ISSTRING, length);
}

JEntry writeInteger(JsonWriter* json, int64 value) {
    uint64 rest = value < 0 ? 0 - static_cast<uint64>(value) : static_cast<uint64>(value);
    int16 digits[mostDigits];
    int first = mostDigits;
    for (; rest > 0; rest /= digitBase)
        digits[--first] = static_cast<int16>(rest % digitBase);
    int weight = Max(mostDigits - first - 1, 0);
    int last = mostDigits;
    while (last > first && digits[last - 1] == 0)
        --last;
    auto header = static_cast<uint16_t>(shortNumber | (value < 0 ? negativeNumber : 0) | weight);
    Size padding = align(json);
    Size digitBytes = sizeof(int16) * (last - first);
    Size length = VARHDRSZ + sizeof header + digitBytes;
    char* place = extend(json, length);
    SET_VARSIZE(place, length);
    memcpy(place + VARHDRSZ, &header, sizeof header);
    memcpy(place + VARHDRSZ + sizeof header, digits + first, digitBytes);
    return entryOf(JENTRY_ISNUMERIC, padding + length);
}

bool isFinite(const varlena* number) {
    uint16_t header;
    memcpy(&header, VARDATA_ANY(number), sizeof header);
    return (header & kindOfNumber) != endlessNumber;
}

JEntry writeNumeric(JsonWriter* json, const varlena* number) {
    Size padding = align(json);
    Size bytes = VARSIZE_ANY_EXHDR(number);
    char* place = extend(json, VARHDRSZ + bytes);
    SET_VARSIZE(place, VARHDRSZ + bytes);
    memcpy(place + VARHDRSZ, VARDATA_ANY(number), bytes);
    return entryOf(JENTRY_ISNUMERIC, padding + VARHDRSZ + bytes);
}

JEntry writeJsonb(JsonWriter* json, const varlena* value) {
    const char* root = VARDATA_ANY(value);
    Size bytes = VARSIZE_ANY_EXHDR(value);
    uint32 header;
    memcpy(&header, root, sizeof header);
    Size padding = 0;
    uint32 type = JENTRY_ISCONTAINER;
    if ((header & JB_FSCALAR) != 0) {
        // An array of one element. What has no bytes needs no place, either.
        JEntry entry;
        memcpy(&entry, root + sizeof header, sizeof entry);
        type = entry & JENTRY_TYPEMASK;
        root += sizeof header + sizeof entry;
        bytes -= sizeof header + sizeof entry;
    }
    if (type == JENTRY_ISCONTAINER || type == JENTRY_ISNUMERIC) padding = align(json);
    memcpy(extend(json, bytes), root, bytes);
    return entryOf(type, padding + bytes);
}

JEntry writeValue(JsonWriter* json, const JsonbValue* value) {
    switch (value->type) {
        case jbvNull: return JENTRY_ISNULL;
        case jbvBool: return value->val.boolean ? JENTRY_ISBOOL_TRUE : JENTRY_ISBOOL_FALSE;
        case jbvString: return writeText(json, value->val.string.val, static_cast<Size>(value->val.string.len));
        case jbvNumeric: return writeNumeric(json, reinterpret_cast<const varlena*>(value->val.numeric));
        default: {
            Size padding = align(json);
            auto bytes = static_cast<Size>(value->val.binary.len);
            memcpy(extend(json, bytes), value->val.binary.data, bytes);
            return entryOf(JENTRY_ISCONTAINER, padding + bytes);
        }
    }
}

JsonObject beginObject(JsonWriter* json, uint32 pairs) {
    JsonObject object = {json->length, 0, 0, 0};
    align(json);
    uint32 header = pairs | JB_FOBJECT;
    memcpy(extend(json, sizeof header), &header, sizeof header);
    object.nextEntry = json->length;
    extend(json, sizeof(JEntry) * 2 * pairs);
    return object;
}

JsonObject beginObject(JsonWriter* json, uint32 pairs, const char* beginning, Size beginningLength, uint32 keyBytes) {
    JsonObject object = {json->length, 0, pairs, keyBytes};
    align(json);
    object.nextEntry = json->length + sizeof(uint32) + sizeof(JEntry) * pairs;
    memcpy(extend(json, beginningLength), beginning, beginningLength);
    return object;
}

void addEntry(JsonWriter* json, JsonObject* object, JEntry entry) {
    object->bytes += JBE_OFFLENFLD(entry);
    if (object->bytes > JENTRY_OFFLENMASK)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("the image of a row is too large")));
    if (object->entries++ % JB_OFFSET_STRIDE == 0) entry = (entry & JENTRY_TYPEMASK) | object->bytes | JENTRY_HAS_OFF;
    memcpy(json->bytes + object->nextEntry, &entry, sizeof entry);
    object->nextEntry += sizeof entry;
}

JEntry endObject(const JsonWriter* json, const JsonObject* object) {
    return entryOf(JENTRY_ISCONTAINER, json->length - object->start);
}

}  // namespace specql::capture
