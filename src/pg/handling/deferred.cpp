#include "pg/handling/deferred.hpp"

#include "pg/bridge/subtransaction.hpp"
#include "pg/capture/frame.hpp"
#include "pg/capture/working_user.hpp"

extern "C" {
#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_constraint.h"
#include "utils/fmgroids.h"
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

// Is each constraint of this name, in this schema, one that looks at rows alone and is INITIALLY DEFERRED? If one of
// these holds now, it is violated later only by rows that are written later, and those are checked themselves.
bool areChecksOfRows(Oid schema, const char* name) {
    Relation catalog = table_open(ConstraintRelationId, AccessShareLock);
    ScanKeyData keys[2];
    ScanKeyInit(&keys[0], Anum_pg_constraint_conname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum(name));
    ScanKeyInit(&keys[1], Anum_pg_constraint_connamespace, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(schema));
    SysScanDesc scan = systable_beginscan(catalog, ConstraintNameNspIndexId, true, nullptr, 2, keys);
    bool all = true;
    while (HeapTuple tuple = systable_getnext(scan)) {
        auto* form = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple));
        all &= form->condeferred && form->contype != CONSTRAINT_TRIGGER;
    }
    systable_endscan(scan);
    table_close(catalog, AccessShareLock);
    return all;
}

// Has the session said SET CONSTRAINTS in this transaction? Then nobody can know what is deferred.
bool constraintsAreSet = false;

// A constraint that has been dropped since is left out.
struct Asked {
    List* settled;  // are deferred now, and what they have found good stays found good
    List* tried;    // their triggers run again at COMMIT
    bool all;       // one of them is in a schema where this role may look nothing up by name
};

Asked asked(const List* constraints, Oid role) {
    Asked result = {NIL, NIL, false};
    bool maySettle = !constraintsAreSet && !capture::inRestrictedCall();
    ListCell* cell;
    foreach (cell, constraints) {
        HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(lfirst_oid(cell)));
        if (!HeapTupleIsValid(tuple)) continue;
        auto* form = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple));
        if (char* schema = get_namespace_name(form->connamespace)) {
            bool visible = compat::mayUseSchema(form->connamespace, role);
            bool settles = maySettle && visible && areChecksOfRows(form->connamespace, NameStr(form->conname));
            List** names = settles ? &result.settled : &result.tried;
            *names = lappend(*names, makeRangeVar(schema, pstrdup(NameStr(form->conname)), -1));
            result.all |= !visible;
        }
        ReleaseSysCache(tuple);
    }
    return result;
}

void setConstraints(List* names, bool deferred) {
    auto* statement = makeNode(ConstraintsSetStmt);
    statement->constraints = names;
    statement->deferred = deferred;
    AfterTriggerSetState(statement);
}

}  // namespace

ErrorData* deferredViolation(const List* constraints) {
    Oid user, role = capture::workingUser();
    int context;
    GetUserIdAndSecContext(&user, &context);
    Asked what = asked(constraints, role);
    // At COMMIT they would run with the rights of the session.
    int asRole = context | SECURITY_LOCAL_USERID_CHANGE;
    ErrorData* error = nullptr;
    if (what.settled != NIL)
        error = trySubtransaction([what, role, asRole, user, context] {
            SetUserIdAndSecContext(role, asRole);
            setConstraints(what.settled, false);
            setConstraints(what.settled, true);
            SetUserIdAndSecContext(user, context);
        });
    if (error == nullptr && what.tried != NIL)
        error = rehearse([what, role, asRole] {
            SetUserIdAndSecContext(role, asRole);
            setConstraints(what.all ? NIL : what.tried, false);
        });
    if (error == nullptr) return nullptr;
    const char* when = "deferred constraints of the tables that the handler has written";
    error->context = error->context != nullptr ? psprintf("%s\n%s", error->context, when) : pstrdup(when);
    return error;
}

void noteConstraintsSet(bool areSet) {
    constraintsAreSet = areSet;
}

void initDeferred() {
    nextFinish = ExecutorFinish_hook;
    ExecutorFinish_hook = noteWrittenTables;
}

}  // namespace specql::handling
