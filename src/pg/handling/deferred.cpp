#include "pg/handling/deferred.hpp"

#include "pg/bridge/subtransaction.hpp"
#include "pg/capture/frame.hpp"
#include "pg/capture/working_user.hpp"

extern "C" {
#include "catalog/pg_constraint.h"
}

namespace specql::handling {

namespace {

ExecutorFinish_hook_type nextFinish = nullptr;

void noteConstraints(capture::Frame* frame, const List* results) {
    ListCell* cell;
    foreach (cell, results) {
        const TriggerDesc* triggers = static_cast<ResultRelInfo*>(lfirst(cell))->ri_TrigDesc;
        for (int i = 0; triggers != nullptr && i < triggers->numtriggers; ++i) {
            const Trigger& trigger = triggers->triggers[i];
            if (trigger.tgdeferrable && OidIsValid(trigger.tgconstraint))
                capture::noteDeferrable(frame, trigger.tgconstraint);
        }
    }
}

// Only the executor knows the partitions that rows went to, and the tables that foreign keys cascade to.
void noteWrittenTables(QueryDesc* query) {
    capture::Frame* frame = capture::currentFrame();
    if (frame != nullptr && query->operation != CMD_UTILITY) {
        noteConstraints(frame, query->estate->es_opened_result_relations);
        noteConstraints(frame, query->estate->es_tuple_routing_result_relations);
    }
    (nextFinish != nullptr ? nextFinish : standard_ExecutorFinish)(query);
}

// What to make immediate. A constraint that has been dropped since is left out.
struct Asked {
    List* names;
    bool all;  // one of them is in a schema where this role may look nothing up by name
};

Asked asked(const List* constraints, Oid role) {
    Asked result = {NIL, false};
    ListCell* cell;
    foreach (cell, constraints) {
        HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(lfirst_oid(cell)));
        if (!HeapTupleIsValid(tuple)) continue;
        auto* form = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple));
        char* schema = get_namespace_name(form->connamespace);
        if (schema != nullptr) {
            result.names = lappend(result.names, makeRangeVar(schema, pstrdup(NameStr(form->conname)), -1));
            result.all |= !compat::mayUseSchema(form->connamespace, role);
        }
        ReleaseSysCache(tuple);
    }
    return result;
}

}  // namespace

ErrorData* deferredViolation(const List* constraints) {
    Oid user, role = capture::workingUser();
    int context;
    GetUserIdAndSecContext(&user, &context);
    Asked what = asked(constraints, role);
    if (what.names == NIL) return nullptr;
    ErrorData* error = rehearse([what, role, context] {
        // At COMMIT they would run with the rights of the session.
        SetUserIdAndSecContext(role, context | SECURITY_LOCAL_USERID_CHANGE);
        auto* statement = makeNode(ConstraintsSetStmt);
        statement->constraints = what.all ? NIL : what.names;
        statement->deferred = false;
        AfterTriggerSetState(statement);
    });
    if (error == nullptr) return nullptr;
    const char* when = "deferred constraints of the tables that the handler has written";
    error->context = error->context != nullptr ? psprintf("%s\n%s", error->context, when) : pstrdup(when);
    return error;
}

void initDeferred() {
    nextFinish = ExecutorFinish_hook;
    ExecutorFinish_hook = noteWrittenTables;
}

}  // namespace specql::handling
