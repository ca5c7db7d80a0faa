// specql.call_processed: calls the `processed:` function of an action with the ids of its finished events.
#include "pg/bridge/entry.hpp"
#include "pg/bridge/subtransaction.hpp"
#include "pg/capture/baggage.hpp"
#include "pg/capture/tellable.hpp"
#include "pg/handling/owner.hpp"
#include "pg/outbox/owned_calls.hpp"

namespace specql::outbox {

namespace {

// The function runs as its owner, whether or not it is SECURITY DEFINER.
void callAsOwner(const char* name, Datum ids, Datum settings) {
    Oid argument = UUIDARRAYOID;
    Oid function = LookupFuncName(compat::nameParts(name), 1, &argument, false);
    HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
    if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for function %u", function);
    Oid owner = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple))->proowner;
    ReleaseSysCache(tuple);
    handling::asOwner(owner, [owner, function, ids, settings] {
        capture::applySettings(settings, owner);
        FmgrInfo info;
        fmgr_info(function, &info);
        LOCAL_FCINFO(call, 1);
        InitFunctionCallInfoData(*call, &info, 1, InvalidOid, nullptr, nullptr);
        call->args[0].value = ids;
        call->args[0].isnull = false;
        FunctionCallInvoke(call);
    });
}

}  // namespace

ErrorData* callProcessed(const char* action, const char* name, Datum ids, Datum settings) {
    ErrorData* error = trySubtransaction([name, ids, settings] { callAsOwner(name, ids, settings); });
    if (error != nullptr)
        ereport(WARNING,
                (errcode(error->sqlerrcode), errmsg("%s failed: %s", name, capture::tellable(action, error)->message),
                 capture::hideStatement(action)));
    return error;
}

SPECQL_FUNCTION(specql_call_processed) {
    if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2)) PG_RETURN_NULL();
    const char* action = text_to_cstring(PG_GETARG_TEXT_PP(0));
    ErrorData* error = callProcessed(action, text_to_cstring(PG_GETARG_TEXT_PP(1)), PG_GETARG_DATUM(2),
                                     PG_ARGISNULL(3) ? 0 : PG_GETARG_DATUM(3));
    if (error == nullptr) PG_RETURN_NULL();
    PG_RETURN_TEXT_P(cstring_to_text(capture::tellable(action, error)->message));
}

}  // namespace specql::outbox
