// Writes the binary form of jsonb, front to back. The result is byte for byte what the server makes of the same value
// (JsonbValueToJsonb): see its jsonb.h for the layout. It saves what the server does besides: a tree of values, and for
// each object a sort of its keys. Here the keys of an object must come in the order of jsonb.
#pragma once

#include "pg/base/server.hpp"

namespace specql::capture {

// A value under construction, in the memory context of beginJson().
struct JsonWriter {
    char* bytes;
    Size length;
    Size capacity;
};

// The keys of jsonb are ordered by their length in bytes, then by their bytes. Negative, 0 or positive, like memcmp().
int compareKeys(const char* left, Size leftLength, const char* right, Size rightLength);

JsonWriter beginJson(Size expected);
Jsonb* endJson(JsonWriter* json);

// Makes room for so many bytes at the end, and returns their place, until the next call.
char* extend(JsonWriter* json, Size bytes);

// Each writes a value, and returns the entry that its container has of it.
JEntry writeText(JsonWriter* json, const char* text, Size length);
JEntry writeInteger(JsonWriter* json, int64 value);
// A numeric of the server, and is it one that JSON has digits for, neither NaN nor infinite?
bool isFinite(const varlena* number);
JEntry writeNumeric(JsonWriter* json, const varlena* number);
JEntry writeJsonb(JsonWriter* json, const varlena* value);
// A scalar, or a container that is there in its binary form.
JEntry writeValue(JsonWriter* json, const JsonbValue* value);

// An object that is being written: all keys, then all values.
struct JsonObject {
    Size start;
    Size nextEntry;
    uint32 entries;
    uint32 bytes;  // of keys and values so far
};

JsonObject beginObject(JsonWriter* json, uint32 pairs);
// The same, where the beginning up to the values was made before: its entries without those of the values, the values'
// room, and the keys themselves.
JsonObject beginObject(JsonWriter* json, uint32 pairs, const char* beginning, Size beginningLength, uint32 keyBytes);
// Adds what has just been written, a key or a value.
void addEntry(JsonWriter* json, JsonObject* object, JEntry entry);
JEntry endObject(const JsonWriter* json, const JsonObject* object);

}  // namespace specql::capture
