#include "pg/capture/baggage.hpp"

#include "delivery/traceparent.hpp"
#include "pg/base/event_settings.hpp"
#include "pg/bridge/settings.hpp"
#include "pg/capture/caller.hpp"
#include "pg/capture/frame.hpp"

extern "C" {
#include "tcop/tcopprot.h"
}

namespace specql::capture {

namespace {

const Baggage* latest = nullptr;  // the session's, as of the last event; lives to the end of the transaction

// The comment of the statement that the client has sent, or else the setting; empty if there is neither.
std::string_view sessionTrace() {
    std::string_view commented;
    if (debug_query_string != nullptr) commented = delivery::commentedTraceparent(debug_query_string);
    std::string_view trace = commented.empty() ? settings::traceparent : commented;
    // What later versions have behind it is not known, so it is passed on as one of version 00.
    return trace.substr(0, Min(trace.size(), delivery::traceparentLength));
}

// Settings that only superusers may read are left out: events show what is kept with them.
const char* readableSetting(const char* name) {
    const char* value = GetConfigOption(name, true, false);
    // One that was set for a transaction that has ended is empty in some versions, and gone in others.
    if (value == nullptr || value[0] == '\0') return nullptr;
    return (GetConfigOptionFlags(name, true) & GUC_SUPERUSER_ONLY) == 0 ? value : nullptr;
}

void appendText(StringInfo raw, const char* text, size_t length) {
    appendBinaryStringInfo(raw, text, static_cast<int>(length));
    appendStringInfoChar(raw, '\0');
}

// The trace, then name and value of each setting, each terminated by a NUL.
StringInfoData sessionsRaw(std::string_view trace) {
    StringInfoData raw;
    initStringInfo(&raw);
    appendText(&raw, trace.data(), trace.size());
    if (!trace.empty()) memcpy(raw.data, "00", 2);
    for (const char* name = settings::context; *name != '\0'; name += strlen(name) + 1) {
        const char* value = readableSetting(name);
        if (value == nullptr) continue;
        appendText(&raw, name, strlen(name));
        appendText(&raw, value, strlen(value));
    }
    return raw;
}

JsonbValue stringValue(const char* text) {
    JsonbValue value;
    value.type = jbvString;
    value.val.string.val = const_cast<char*>(text);
    value.val.string.len = static_cast<int>(strlen(text));
    return value;
}

// Without parsing: a setting may hold any bytes.
Datum objectOf(const char* pairs, const char* end) {
    JsonbParseState* state = nullptr;
    (void)pushJsonbValue(&state, WJB_BEGIN_OBJECT, nullptr);
    while (pairs < end) {
        JsonbValue key = stringValue(pairs);
        pairs += key.val.string.len + 1;
        JsonbValue value = stringValue(pairs);
        pairs += value.val.string.len + 1;
        (void)pushJsonbValue(&state, WJB_KEY, &key);
        (void)pushJsonbValue(&state, WJB_VALUE, &value);
    }
    return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, nullptr)));
}

const Baggage* sessionBaggage() {
    std::string_view trace = sessionTrace();
    if (trace.empty() && *settings::context == '\0') return nullptr;
    StringInfoData raw = sessionsRaw(trace);
    bool isLatest = latest != nullptr && latest->rawLength == raw.len &&
                    memcmp(latest->raw, raw.data, static_cast<size_t>(raw.len)) == 0;
    if (!isLatest && raw.len > 1) {
        MemoryContext before = MemoryContextSwitchTo(TopTransactionContext);
        auto* baggage = static_cast<Baggage*>(palloc0(sizeof(Baggage)));
        auto* copy = static_cast<char*>(palloc(static_cast<Size>(raw.len)));
        memcpy(copy, raw.data, static_cast<Size>(raw.len));
        const char* pairs = copy + trace.size() + 1;
        baggage->traceparent = trace.empty() ? nullptr : copy;
        baggage->settings = pairs < copy + raw.len ? objectOf(pairs, copy + raw.len) : 0;
        baggage->raw = copy;
        baggage->rawLength = raw.len;
        latest = baggage;
        MemoryContextSwitchTo(before);
    }
    bool isNone = raw.len == 1;
    pfree(raw.data);
    return isNone ? nullptr : latest;
}

}  // namespace

const Baggage* currentBaggage() {
    const Frame* frame = currentFrame();
    return frame != nullptr ? frame->set->baggage : sessionBaggage();
}

const Baggage* storedBaggage(MemoryContext context, const char* traceparent, Datum settings) {
    if (traceparent == nullptr && settings == 0) return nullptr;
    MemoryContext before = MemoryContextSwitchTo(context);
    auto* baggage = static_cast<Baggage*>(palloc0(sizeof(Baggage)));
    baggage->traceparent = traceparent != nullptr ? pstrdup(traceparent) : nullptr;
    baggage->settings = settings != 0 ? JsonbPGetDatum(DatumGetJsonbPCopy(settings)) : 0;
    MemoryContextSwitchTo(before);
    return baggage;
}

bool sameSettings(Datum left, Datum right) {
    return sameStoredCaller(left, right);
}

void applySettings(Datum settings, Oid role) {
    if (settings == 0) return;
    Jsonb* object = DatumGetJsonbP(settings);
    if (!JB_ROOT_IS_OBJECT(object)) return;
    Oid user;
    int context;
    GetUserIdAndSecContext(&user, &context);
    SetUserIdAndSecContext(role, context | SECURITY_LOCAL_USERID_CHANGE);
    JsonbIterator* iterator = JsonbIteratorInit(&object->root);
    JsonbValue item;
    char* name = nullptr;
    for (JsonbIteratorToken token; (token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE;) {
        if (token == WJB_KEY) name = pnstrdup(item.val.string.val, static_cast<Size>(item.val.string.len));
        // The table may have been restored from anywhere.
        if (token == WJB_VALUE && item.type == jbvString && settings::isContextName(name))
            setLocal(name, pnstrdup(item.val.string.val, static_cast<Size>(item.val.string.len)));
    }
    SetUserIdAndSecContext(user, context);
}

void resetSettings() {
    for (const char* name = settings::context; *name != '\0'; name += strlen(name) + 1)
        // One that this user may not set cannot have come from an event either.
        if (readableSetting(name) != nullptr)
            (void)set_config_option(name, nullptr, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, DEBUG1, false);
}

void forgetSessionBaggage() {
    latest = nullptr;
}

}  // namespace specql::capture
