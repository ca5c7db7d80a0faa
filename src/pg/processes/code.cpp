#include "pg/processes/code.hpp"
#include "pg/bridge/sqlstate.hpp"

extern "C" {
#include "parser/parse_func.h"
#include "utils/snapmgr.h"
}

namespace specql::processes {

namespace {

// What was made under the name by somebody else is not what the plan means.
Oid findFunction(const char* name, int count, const Oid* types, Oid result, Oid owner) {
    Oid function = LookupFuncName(compat::nameParts(name), count, types, false);
    HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
    if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for function %u", function);
    auto* form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
    bool isOwners = form->proowner == owner;
    bool fits = form->prokind == PROKIND_FUNCTION && !form->proretset && form->prorettype == result;
    ReleaseSysCache(tuple);
    if (!isOwners)
        ereport(ERROR, (errcode(sqlstate::actionBroken), errmsg("function %s belongs to somebody else", name),
                        errdetail("Steps of a process are functions of the owner of its action.")));
    if (!fits)
        ereport(ERROR, (errcode(sqlstate::actionBroken),
                        errmsg("function %s does not return %s", name, format_type_be(result))));
    return function;
}

// `arguments` of a strict function are never NULL.
Datum invoke(Oid function, int count, const NullableDatum* arguments, bool* isNull) {
    FmgrInfo info;
    fmgr_info(function, &info);
    LOCAL_FCINFO(call, 4);
    InitFunctionCallInfoData(*call, &info, static_cast<short>(count), InvalidOid, nullptr, nullptr);
    bool skipped = false;
    for (int i = 0; i < count; ++i) {
        call->args[i] = arguments[i];
        skipped = skipped || (info.fn_strict && arguments[i].isnull);
    }
    *isNull = true;
    if (skipped) return 0;
    // What the step before has changed is seen by a function that is STABLE, too.
    CommandCounterIncrement();
    PushActiveSnapshot(GetTransactionSnapshot());
    Datum result = FunctionCallInvoke(call);
    PopActiveSnapshot();
    CommandCounterIncrement();
    *isNull = call->isnull;
    return result;
}

}  // namespace

Datum callStep(const char* name, Oid owner, const pg_uuid_t* process, Datum parameters, Datum results) {
    const Oid types[] = {UUIDOID, JSONBOID, JSONBOID};
    Oid function = findFunction(name, lengthof(types), types, JSONBOID, owner);
    const NullableDatum arguments[] = {{UUIDPGetDatum(process), false}, {parameters, false}, {results, false}};
    bool isNull;
    Datum result = invoke(function, lengthof(types), arguments, &isNull);
    return isNull ? 0 : PointerGetDatum(PG_DETOAST_DATUM_COPY(result));
}

void callRecord(const char* name, Oid owner, const pg_uuid_t* process, Datum status, Datum results, Datum error) {
    const Oid types[] = {UUIDOID, TEXTOID, JSONBOID, TEXTOID};
    Oid function = findFunction(name, lengthof(types), types, VOIDOID, owner);
    const NullableDatum arguments[] = {
        {UUIDPGetDatum(process), false}, {status, false}, {results, false}, {error, error == 0}};
    bool isNull;
    (void)invoke(function, lengthof(types), arguments, &isNull);
}

}  // namespace specql::processes
