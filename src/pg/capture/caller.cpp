#include "pg/capture/caller.hpp"

#include "pg/base/event_settings.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/subtransaction.hpp"
#include "pg/capture/frame.hpp"
#include "pg/capture/working_user.hpp"

extern "C" {
#include "utils/json.h"
}

namespace specql::capture {

namespace {

constexpr const char* userKey = "user";

Caller* latest = nullptr;  // the session's caller, as of the last event; lives to the end of the transaction
Caller* lent = nullptr;    // the caller of the process that goes on
bool warned = false;       // this session has been told that its claims cannot be read

// The text of the first setting of specql.caller_claims that is set; nullptr if none is. Settings that only superusers
// may read are skipped, because any session can ask for the claims.
const char* sessionClaims() {
    for (const char* name = settings::callerClaims; *name != '\0'; name += strlen(name) + 1) {
        const char* value = GetConfigOption(name, true, false);
        if (value != nullptr && value[0] != '\0' && (GetConfigOptionFlags(name, true) & GUC_SUPERUSER_ONLY) == 0)
            return value;
    }
    return nullptr;
}

bool isLatest(Oid user, const char* claims) {
    if (latest == nullptr || latest->user != user || (latest->claims == nullptr) != (claims == nullptr)) return false;
    return claims == nullptr || strcmp(latest->claims, claims) == 0;
}

Caller* sessionCaller() {
    Oid user = workingUser();
    const char* claims = sessionClaims();
    if (!isLatest(user, claims)) {
        auto* caller = static_cast<Caller*>(MemoryContextAllocZero(TopTransactionContext, sizeof(Caller)));
        caller->user = user;
        caller->claims = claims != nullptr ? MemoryContextStrdup(TopTransactionContext, claims) : nullptr;
        latest = caller;
    }
    return latest;
}

// The claims as a jsonb object; 0 for any other text. Every session may set any text, so that raises only a warning and
// never makes a statement fail.
Datum readClaims(const char* claims) {
    Datum read = 0;
    ErrorData* error =
        trySubtransaction([&read, claims] { read = DirectFunctionCall1(jsonb_in, CStringGetDatum(claims)); });
    if (error == nullptr && JB_ROOT_IS_OBJECT(DatumGetJsonbP(read))) return read;
    if (!warned)
        ereport(WARNING, (errmsg("the caller's claims are not a JSON object and count as not set"),
                          errdetail("%s", error != nullptr ? error->message : "They are another JSON value."),
                          errhint("The setting is the first of specql.caller_claims that is set.")));
    warned = true;
    return 0;
}

Jsonb* dataOf(const Caller* caller) {
    const char* name = GetUserNameFromId(caller->user, true);
    StringInfoData text;
    initStringInfo(&text);
    if (name != nullptr) {
        appendStringInfo(&text, "{\"%s\": ", userKey);
        escape_json(&text, name);
        appendStringInfoChar(&text, '}');
    } else {
        appendStringInfoString(&text, "{}");
    }
    Datum user = DirectFunctionCall1(jsonb_in, CStringGetDatum(text.data));
    Datum claims = caller->claims != nullptr ? readClaims(caller->claims) : 0;
    return DatumGetJsonbP(claims == 0 ? user : DirectFunctionCall2(jsonb_concat, claims, user));
}

Jsonb* callerData(Caller* caller) {
    if (!caller->known) {
        Jsonb* data = dataOf(caller);
        auto* kept = static_cast<Jsonb*>(MemoryContextAlloc(GetMemoryChunkContext(caller), VARSIZE(data)));
        memcpy(kept, data, VARSIZE(data));
        caller->data = kept;
        caller->known = true;
    }
    return caller->data;
}

}  // namespace

Caller* currentCaller() {
    const Frame* frame = currentFrame();
    if (frame != nullptr) return frame->set->caller;
    return lent != nullptr ? lent : sessionCaller();
}

Caller* lendCaller(Caller* caller) {
    Caller* before = lent;
    lent = caller;
    return before;
}

Caller* lentCaller() {
    return lent;
}

Caller* storedCaller(MemoryContext context, Datum data) {
    MemoryContext before = MemoryContextSwitchTo(context);
    auto* caller = static_cast<Caller*>(palloc0(sizeof(Caller)));
    caller->known = true;
    caller->data = data != 0 ? DatumGetJsonbPCopy(data) : nullptr;
    MemoryContextSwitchTo(before);
    return caller;
}

Datum callerToStore(Caller* caller) {
    Jsonb* data = callerData(caller);
    return data != nullptr ? JsonbPGetDatum(data) : 0;
}

bool sameStoredCaller(Datum left, Datum right) {
    if (left == 0 || right == 0) return left == right;
    const auto* one = reinterpret_cast<const varlena*>(DatumGetPointer(left));
    const auto* other = reinterpret_cast<const varlena*>(DatumGetPointer(right));
    return VARSIZE_ANY(one) == VARSIZE_ANY(other) && memcmp(one, other, VARSIZE_ANY(one)) == 0;
}

void forgetSessionCaller() {
    latest = lent = nullptr;
}

// specql.caller(key)
SPECQL_FUNCTION(specql_caller) {
    Caller* caller = currentCaller();
    const text* key = PG_GETARG_TEXT_PP(0);
    // For the name of the role the claims need not be read, nor a warning be raised about them.
    if (!caller->known && VARSIZE_ANY_EXHDR(key) == strlen(userKey) &&
        memcmp(VARDATA_ANY(key), userKey, strlen(userKey)) == 0) {
        const char* name = GetUserNameFromId(caller->user, true);
        if (name == nullptr) PG_RETURN_NULL();
        PG_RETURN_TEXT_P(cstring_to_text(name));
    }
    Jsonb* data = callerData(caller);
    if (data == nullptr) PG_RETURN_NULL();
    LOCAL_FCINFO(call, 2);
    InitFunctionCallInfoData(*call, nullptr, 2, InvalidOid, nullptr, nullptr);
    call->args[0].value = JsonbPGetDatum(data);
    call->args[1].value = PG_GETARG_DATUM(0);
    call->args[0].isnull = call->args[1].isnull = false;
    Datum value = jsonb_object_field_text(call);
    if (call->isnull) PG_RETURN_NULL();
    return value;
}

}  // namespace specql::capture
