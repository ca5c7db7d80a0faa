// specql.delivery_body: the body of a call in the format of its service. It is written for every call, so not by SQL.
// The keys of each object are in the order in which jsonb has them: shorter ones first.
#include "pg/bridge/entry.hpp"

extern "C" {
#include "commands/dbcommands.h"
#include "executor/executor.h"
#include "lib/stringinfo.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"
}

#include <string_view>

extern "C" Datum specql_numbers_as_text(PG_FUNCTION_ARGS);

namespace specql::outbox {

namespace {

// What a body is made of; nullptr for NULL.
struct Parts {
    const char *id, *type, *aggregateType, *aggregateId, *operation, *eventId, *createdAt, *traceparent;
    int attempts, mostRetries;
    Jsonb* payload;
};

// Writes objects: key by key, with what stands between them.
struct Writer {
    StringInfoData text;
    bool first;

    void begin() {
        appendStringInfoChar(&text, '{');
        first = true;
    }
    void end() {
        appendStringInfoChar(&text, '}');
        first = false;
    }
    void key(const char* name) {
        if (!first) appendStringInfoString(&text, ", ");
        first = false;
        appendStringInfo(&text, "\"%s\": ", name);
    }
    // A string, or null.
    void add(const char* name, const char* value) {
        key(name);
        if (value != nullptr)
            escape_json(&text, value);
        else
            appendStringInfoString(&text, "null");
    }
    void addIfAny(const char* name, const char* value) {
        if (value != nullptr) add(name, value);
    }
    void add(const char* name, int value) {
        key(name);
        appendStringInfo(&text, "%d", value);
    }
    void add(const char* name, Jsonb* value) {
        key(name);
        if (value != nullptr)
            (void)JsonbToCString(&text, &value->root, VARSIZE(value));
        else
            appendStringInfoString(&text, "null");
    }
};

// The value at a key of an object; nullptr if it is null. False if there is no such key.
bool member(Jsonb* object, const char* name, Jsonb** value) {
    *value = nullptr;
    if (!JB_ROOT_IS_OBJECT(object)) return false;
    JsonbValue found;
    if (getKeyJsonValueFromContainer(&object->root, name, static_cast<int>(strlen(name)), &found) == nullptr)
        return false;
    if (found.type != jbvNull) *value = JsonbValueToJsonb(&found);
    return true;
}

// The rows of a row event.
struct Rows {
    bool are;  // false: the payload is something else
    Jsonb *before, *after;
    const char* operation;
};

Rows rowsOf(Jsonb* payload) {
    Rows rows = {false, nullptr, nullptr, "INSERT"};
    bool hasBefore = member(payload, "old", &rows.before), hasAfter = member(payload, "new", &rows.after);
    rows.are = hasBefore && hasAfter;
    if (!rows.are)
        rows.before = rows.after = nullptr;
    else if (rows.before != nullptr)
        rows.operation = rows.after == nullptr ? "DELETE" : "UPDATE";
    return rows;
}

// A part of schema.table, counted from 1; empty if there is none.
const char* partOf(const char* name, int part) {
    if (name == nullptr) return nullptr;
    for (; part > 1; --part) {
        name = strchr(name, '.');
        if (name == nullptr) return "";
        ++name;
    }
    return pnstrdup(name, strcspn(name, "."));
}

void writeCloudEvent(Writer* body, const Parts& parts, bool inBatch) {
    StringInfoData source;
    initStringInfo(&source);
    appendStringInfo(&source, "/specql/%s/", get_database_name(MyDatabaseId));
    for (const char* c = parts.aggregateType; c != nullptr && *c != '\0'; ++c)
        appendStringInfoChar(&source, *c == '.' ? '/' : *c);
    body->begin();
    body->add("id", parts.id);
    body->add("data", parts.payload);
    body->addIfAny("time", parts.createdAt);
    body->addIfAny("type", parts.type);
    if (parts.aggregateType != nullptr) body->add("source", source.data);
    body->addIfAny("eventid", parts.eventId);
    body->addIfAny("subject", parts.aggregateId);
    body->addIfAny("operation", parts.operation);
    body->add("specversion", "1.0");
    // Of one among others, which share the headers.
    if (inBatch) body->addIfAny("traceparent", parts.traceparent);
    body->add("datacontenttype", "application/json");
    body->end();
}

void writeHasura(Writer* body, const Parts& parts) {
    Rows rows = rowsOf(parts.payload);
    body->begin();
    body->add("id", parts.id);
    body->key("event");
    body->begin();
    body->add("op", rows.operation);
    body->key("data");
    body->begin();
    body->add("new", rows.are ? rows.after : parts.payload);
    body->add("old", rows.before);
    body->end();
    body->add("session_variables", static_cast<const char*>(nullptr));
    body->end();
    body->key("table");
    body->begin();
    body->add("name", partOf(parts.aggregateType, 2));
    body->add("schema", partOf(parts.aggregateType, 1));
    body->end();
    body->key("trigger");
    body->begin();
    body->add("name", parts.operation);
    body->end();
    body->add("created_at", parts.createdAt);
    body->key("delivery_info");
    body->begin();
    body->add("max_retries", parts.mostRetries);
    body->add("current_retry", parts.attempts);
    body->end();
    body->end();
}

void writeSupabase(Writer* body, const Parts& parts) {
    Rows rows = rowsOf(parts.payload);
    body->begin();
    body->add("type", rows.operation);
    body->add("table", partOf(parts.aggregateType, 2));
    body->add("record", rows.are ? rows.after : parts.payload);
    body->add("schema", partOf(parts.aggregateType, 1));
    body->add("old_record", rows.before);
    body->end();
}

const char* textOf(HeapTupleHeader row, const char* column) {
    bool isNull;
    Datum value = GetAttributeByName(row, column, &isNull);
    return isNull ? nullptr : TextDatumGetCString(value);
}

const char* uuidOf(HeapTupleHeader row, const char* column) {
    bool isNull;
    Datum value = GetAttributeByName(row, column, &isNull);
    return isNull ? nullptr : DatumGetCString(DirectFunctionCall1(uuid_out, value));
}

Parts partsOf(HeapTupleHeader row, int mostRetries, bool numbersAsText) {
    Parts parts;
    memset(&parts, 0, sizeof parts);
    parts.id = uuidOf(row, "id");
    parts.eventId = uuidOf(row, "event_id");
    parts.type = textOf(row, "type");
    parts.aggregateType = textOf(row, "aggregatetype");
    parts.aggregateId = textOf(row, "aggregateid");
    parts.operation = textOf(row, "operation");
    parts.traceparent = textOf(row, "traceparent");
    bool isNull;
    Datum value = GetAttributeByName(row, "created_at", &isNull);
    if (!isNull) parts.createdAt = JsonEncodeDateTime(nullptr, value, TIMESTAMPTZOID, nullptr);
    value = GetAttributeByName(row, "attempts", &isNull);
    parts.attempts = isNull ? 0 : DatumGetInt32(value);
    parts.mostRetries = mostRetries;
    value = GetAttributeByName(row, "payload", &isNull);
    if (isNull) return parts;
    if (numbersAsText) value = DirectFunctionCall1(specql_numbers_as_text, value);
    parts.payload = DatumGetJsonbP(value);
    return parts;
}

}  // namespace

// specql.delivery_body(format, row of specql.whole_delivery, max_retries, numbers) → text; NULL without a payload.
// Format cloudevents-batch is that of an event in a batch.
SPECQL_FUNCTION(specql_delivery_body) {
    std::string_view format(VARDATA_ANY(PG_GETARG_TEXT_PP(0)), VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(0)));
    std::string_view numbers(VARDATA_ANY(PG_GETARG_TEXT_PP(3)), VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(3)));
    Parts parts = partsOf(PG_GETARG_HEAPTUPLEHEADER(1), PG_GETARG_INT32(2), numbers == "text");
    if (parts.payload == nullptr) PG_RETURN_NULL();
    Writer body;
    body.first = true;
    initStringInfo(&body.text);
    if (format == "cloudevents" || format == "cloudevents-batch")
        writeCloudEvent(&body, parts, format != "cloudevents");
    else if (format == "hasura")
        writeHasura(&body, parts);
    else if (format == "supabase")
        writeSupabase(&body, parts);
    else
        (void)JsonbToCString(&body.text, &parts.payload->root, VARSIZE(parts.payload));
    PG_RETURN_TEXT_P(cstring_to_text_with_len(body.text.data, body.text.len));
}

}  // namespace specql::outbox
