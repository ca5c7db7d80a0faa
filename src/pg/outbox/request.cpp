// The URL and the headers of a call, with values of its payload in them. Only for operations that have such.
//
// What cannot be filled in is told as \1refused: and the reason, instead of the text; the courier makes a dead letter
// of the call.
#include "delivery/template.hpp"
#include "pg/base/server.hpp"
#include "pg/bridge/entry.hpp"

extern "C" {
#include "mb/pg_wchar.h"
}

namespace specql::outbox {

namespace {

using delivery::Filled;
using delivery::Place;
using delivery::TemplatePart;
using delivery::TemplateValue;

constexpr size_t longestUrl = 16000;
constexpr size_t longestHeader = 8000;

std::string_view viewOf(const text* value) {
    return {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

text* refusal(const char* reason) {
    return cstring_to_text(psprintf("\1refused:%s", reason));
}

// The value at a key of an object.
bool findIn(JsonbContainer* object, std::string_view name, JsonbValue* value) {
    return JsonContainerIsObject(object) &&
           getKeyJsonValueFromContainer(object, name.data(), static_cast<int>(name.size()), value) != nullptr;
}

bool findIn(const JsonbValue& value, std::string_view name, JsonbValue* found) {
    return value.type == jbvBinary && findIn(value.val.binary.data, name, found);
}

// The first name of a key is one of the payload, or of the rows that it carries, as specql.delivery_key finds it;
// payload.x is x.
bool findFirst(JsonbContainer* payload, std::string_view name, JsonbValue* value) {
    if (findIn(payload, name, value)) return true;
    JsonbValue before, after;
    if (!findIn(payload, "old", &before) || !findIn(payload, "new", &after)) return false;
    return findIn(after, name, value) || findIn(before, name, value);
}

bool find(JsonbContainer* payload, std::string_view key, JsonbValue* value) {
    std::string_view rest = key, name = delivery::firstName(rest);
    if (!findFirst(payload, name, value)) {
        if (name != "payload" || rest.empty()) return false;
        name = delivery::firstName(rest);
        if (!findFirst(payload, name, value)) return false;
    }
    while (!rest.empty()) {
        JsonbValue outer = *value;
        if (!findIn(outer, delivery::firstName(rest), value)) return false;
    }
    return true;
}

TemplateValue valueOf(JsonbContainer* payload, std::string_view key) {
    TemplateValue result;
    JsonbValue value;
    if (!find(payload, key, &value) || value.type == jbvNull) return result;
    result.kind = TemplateValue::Kind::single;
    if (value.type == jbvString) {
        result.text = {value.val.string.val, static_cast<size_t>(value.val.string.len)};
    } else if (value.type == jbvNumeric) {
        result.text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)));
    } else if (value.type == jbvBool) {
        result.text = value.val.boolean ? "true" : "false";
    } else {
        result.kind = TemplateValue::Kind::composite;
        result.text = JsonbToCString(nullptr, value.val.binary.data, value.val.binary.len);
    }
    return result;
}

// A URL has the bytes of UTF-8.
std::string_view asUtf8(std::string_view value) {
    if (GetDatabaseEncoding() == PG_SQL_ASCII) return value;
    const char* converted = pg_server_to_any(value.data(), static_cast<int>(value.size()), PG_UTF8);
    return converted == value.data() ? value : std::string_view(converted);
}

const char* reasonOf(const Filled& filled, const char* where) {
    const char* key = pnstrdup(filled.key.data(), filled.key.size());
    switch (filled.state) {
        case Filled::State::missing: return psprintf("{%s} of its path is missing, or NULL", key);
        case Filled::State::empty: return psprintf("{%s} of its path is an empty text", key);
        case Filled::State::notOne: return psprintf("{%s} of its path is an object or a list", key);
        case Filled::State::dots: return psprintf("{%s} makes a part of its path that leads upwards", key);
        case Filled::State::control:
            return psprintf("{%s} of its header %s holds a line end or another control character", key, where);
        default: return nullptr;
    }
}

// Fills a template in and appends it to `to`. `where` names the header. Returns whether it is left out; `reason` gets
// what is wrong.
bool append(StringInfo to, std::string_view text, Place place, const char* where, JsonbContainer* payload,
            const char** reason) {
    size_t count = 0, bytes = 0, offset = 0;
    // Each key has two braces.
    auto* values = static_cast<TemplateValue*>(palloc0(sizeof(TemplateValue) * (text.size() / 2 + 1)));
    for (;;) {
        TemplatePart part = delivery::nextPart(text, offset);
        if (part.kind == TemplatePart::Kind::end) break;
        if (part.kind == TemplatePart::Kind::bad) {
            *reason = psprintf("its operation is no good: %s", part.problem);
            return true;
        }
        if (part.kind != TemplatePart::Kind::key) continue;
        TemplateValue value = valueOf(payload, part.text);
        if (place != Place::header) value.text = asUtf8(value.text);
        values[count++] = value;
        bytes += value.text.size();
    }
    if (place == Place::query) text = asUtf8(text);
    size_t bound = delivery::filledBound(text, bytes);
    if (bound > 3 * MaxAllocSize / 4) {
        *reason = "what would be filled in is too long";
        return true;
    }
    enlargeStringInfo(to, static_cast<int>(bound));
    Filled filled = delivery::fillTemplate(text, place, values, to->data + to->len);
    if (filled.state == Filled::State::leftOut) return true;
    *reason = reasonOf(filled, where);
    if (*reason != nullptr) return true;
    to->len += static_cast<int>(filled.length);
    to->data[to->len] = '\0';
    return false;
}

// Adds ?name=value&…, without the parameters that have no value.
const char* appendQuery(StringInfo url, Jsonb* query, JsonbContainer* payload) {
    JsonbIterator* iterator = JsonbIteratorInit(&query->root);
    JsonbValue value;
    StringInfoData parameter;
    initStringInfo(&parameter);
    const char* reason = nullptr;
    bool named = false;
    for (;;) {
        JsonbIteratorToken token = JsonbIteratorNext(&iterator, &value, true);
        if (token == WJB_DONE) return nullptr;
        if (token == WJB_KEY) {
            std::string_view name = asUtf8({value.val.string.val, static_cast<size_t>(value.val.string.len)});
            resetStringInfo(&parameter);
            enlargeStringInfo(&parameter, static_cast<int>(3 * name.size() + 1));
            parameter.len = static_cast<int>(delivery::percentEncode(name, parameter.data));
            appendStringInfoChar(&parameter, '=');
            named = true;
        } else if (token == WJB_VALUE && named && value.type == jbvString) {
            std::string_view text = {value.val.string.val, static_cast<size_t>(value.val.string.len)};
            bool leftOut = append(&parameter, text, Place::query, nullptr, payload, &reason);
            if (reason != nullptr) return reason;
            if (leftOut) continue;
            appendStringInfoChar(url, strchr(url->data, '?') != nullptr ? '&' : '?');
            appendBinaryStringInfo(url, parameter.data, parameter.len);
        }
    }
}

}  // namespace

// specql.template_problem(template): what is wrong with a path, a parameter or a header of an operation, or NULL.
SPECQL_FUNCTION(specql_template_problem) {
    size_t offset;
    const char* problem = delivery::templateProblem(viewOf(PG_GETARG_TEXT_PP(0)), offset);
    if (problem == nullptr) PG_RETURN_NULL();
    PG_RETURN_TEXT_P(cstring_to_text(problem));
}

// specql.filled_url(url, path, query, payload): path and query may be NULL.
SPECQL_FUNCTION(specql_filled_url) {
    if (PG_ARGISNULL(0)) PG_RETURN_NULL();
    // What has no payload has no keys.
    Jsonb* payload =
        PG_ARGISNULL(3) ? DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"))) : PG_GETARG_JSONB_P(3);
    std::string_view start = viewOf(PG_GETARG_TEXT_PP(0));
    StringInfoData url;
    initStringInfo(&url);
    const char* reason = nullptr;
    if (!PG_ARGISNULL(1)) {
        std::string_view path = viewOf(PG_GETARG_TEXT_PP(1));
        while (!start.empty() && start.back() == '/')
            start.remove_suffix(1);
        while (!path.empty() && path.front() == '/')
            path.remove_prefix(1);
        appendBinaryStringInfo(&url, start.data(), static_cast<int>(start.size()));
        appendStringInfoChar(&url, '/');
        append(&url, path, Place::path, nullptr, &payload->root, &reason);
    } else {
        appendBinaryStringInfo(&url, start.data(), static_cast<int>(start.size()));
    }
    if (reason == nullptr && !PG_ARGISNULL(2)) reason = appendQuery(&url, PG_GETARG_JSONB_P(2), &payload->root);
    if (reason == nullptr && url.len > static_cast<int>(longestUrl))
        reason = "its url would be longer than 16000 bytes";
    if (reason != nullptr) PG_RETURN_TEXT_P(refusal(reason));
    PG_RETURN_TEXT_P(cstring_to_text_with_len(url.data, url.len));
}

// specql.filled_header(name, template, payload): the value; NULL if it is left out.
SPECQL_FUNCTION(specql_filled_header) {
    const char* name = text_to_cstring(PG_GETARG_TEXT_PP(0));
    StringInfoData value;
    initStringInfo(&value);
    const char* reason = nullptr;
    bool leftOut =
        append(&value, viewOf(PG_GETARG_TEXT_PP(1)), Place::header, name, &PG_GETARG_JSONB_P(2)->root, &reason);
    if (reason == nullptr && value.len > static_cast<int>(longestHeader))
        reason = psprintf("its header %s would be longer than 8000 bytes", name);
    if (reason != nullptr) PG_RETURN_TEXT_P(refusal(reason));
    if (leftOut) PG_RETURN_NULL();
    PG_RETURN_TEXT_P(cstring_to_text_with_len(value.data, value.len));
}

}  // namespace specql::outbox
