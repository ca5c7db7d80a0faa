#include "pg/handling/owner.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/bridge/settings.hpp"
#include "pg/capture/baggage.hpp"
#include "pg/capture/working_user.hpp"
#include "pg/handling/deferred.hpp"
#include "pg/handling/run.hpp"

extern "C" {
#include "tcop/utility.h"
#include "utils/portal.h"
}

namespace specql::handling {

namespace {

ProcessUtility_hook_type nextUtility = nullptr;

bool isOwnSession(Oid owner) {
    return !capture::inRestrictedCall() && GetSessionUserId() == owner && GetOuterUserId() == owner;
}

void watchSetConstraints(PlannedStmt* statement, const char* text, bool readOnlyTree, ProcessUtilityContext context,
                         ParamListInfo parameters, QueryEnvironment* environment, DestReceiver* receiver,
                         QueryCompletion* completion) {
    if (statement->utilityStmt != nullptr && IsA(statement->utilityStmt, ConstraintsSetStmt)) {
        if (capture::inRestrictedCall())
            ereport(
                ERROR,
                (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                 errmsg("SET CONSTRAINTS is not possible in code that runs for its owner in a session of another role"),
                 errhint("With LOGIN and CONNECT the owner gets sessions of its own.")));
        noteConstraintsSet(true);
    }
    (nextUtility != nullptr ? nextUtility : standard_ProcessUtility)(statement, text, readOnlyTree, context, parameters,
                                                                     environment, receiver, completion);
}

// ---- what is deferred to the end of the transaction -----------------------------------------------------------------

void setConstraints(List* names, bool deferred) {
    auto* statement = makeNode(ConstraintsSetStmt);
    statement->constraints = names;
    statement->deferred = deferred;
    AfterTriggerSetState(statement);
}

// The constraints that are INITIALLY DEFERRED, by schema and name. SET CONSTRAINTS affects all constraints of a name in
// a schema, so a name that also belongs to one that is not deferrable is left out.
const char* const deferredSql = R"(
SELECT n.nspname::text, c.conname::text FROM pg_constraint AS c JOIN pg_namespace AS n ON n.oid = c.connamespace
GROUP BY n.nspname, c.conname HAVING bool_or(c.condeferred) AND bool_and(c.condeferrable))";

// runSessionsDeferred() has made all constraints immediate: this makes those deferred again that are declared so.
void restoreDeferredConstraints() {
    runAsExtensionOwner([] {
        MemoryContext caller = CurrentMemoryContext;
        List* names = NIL;
        SPI_connect();
        if (SPI_execute(deferredSql, false, 0) != SPI_OK_SELECT) elog(ERROR, "specql: looking for constraints failed");
        MemoryContext spi = MemoryContextSwitchTo(caller);
        for (uint64_t i = 0; i < SPI_processed; ++i) {
            char* schema = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);
            char* name = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2);
            names = lappend(names, makeRangeVar(schema, name, -1));
        }
        MemoryContextSwitchTo(spi);
        SPI_finish();
        setConstraints(NIL, false);
        if (names != NIL) setConstraints(names, true);
    });
}

// Runs the actions for rows that were written directly to a partition, which otherwise wait for the end of the
// transaction.
void handleFrameLeftovers() {
    while (capture::EventSet* set = capture::takeLeftover(capture::currentFrameSerial()))
        handleEventSet(set, nullptr);
}

// Fires the triggers and runs the actions that the session itself has deferred, with the rights of the session.
void runSessionsDeferred() {
    Oid user;
    int context;
    GetUserIdAndSecContext(&user, &context);
    SetUserIdAndSecContext(capture::workingUser(), context | SECURITY_LOCAL_USERID_CHANGE);
    setConstraints(NIL, false);
    handleFrameLeftovers();
    setConstraints(NIL, false);
    SetUserIdAndSecContext(user, context);
}

// Closes the cursors that were opened in this subtransaction or later; an error if one is in use.
void closePortals(SubTransactionId since) {
    bool open = false;
    List* names = NIL;
    runAsExtensionOwner([&names] {
        MemoryContext caller = CurrentMemoryContext;
        SPI_connect();
        if (SPI_execute("SELECT name FROM pg_cursors", true, 0) != SPI_OK_SELECT)
            elog(ERROR, "specql: looking for cursors failed");
        MemoryContext spi = MemoryContextSwitchTo(caller);
        for (uint64_t i = 0; i < SPI_processed; ++i)
            names = lappend(names, SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1));
        MemoryContextSwitchTo(spi);
        SPI_finish();
    });
    ListCell* cell;
    foreach (cell, names) {
        Portal portal = GetPortalByName(static_cast<const char*>(lfirst(cell)));
        if (!PortalIsValid(portal) || portal->createSubid < since) continue;
        if (portal->portalPinned || portal->status == PORTAL_ACTIVE || portal->createSubid == InvalidSubTransactionId)
            open = true;
        else
            PortalDrop(portal, false);
    }
    if (open) elog(ERROR, "specql: code of a role has left something open");
}

// ---- settings -----------------------------------------------------------------------------------------------------

const char* const settingsSql = R"(
SELECT split_part(c.line, '=', 1), substr(c.line, strpos(c.line, '=') + 1)
FROM pg_db_role_setting AS s, unnest(s.setconfig) AS c(line)
WHERE s.setrole = $1 AND s.setdatabase IN (0, (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()))
  AND split_part(c.line, '=', 1) NOT IN ('role', 'session_authorization')
ORDER BY s.setdatabase)";

// Applies the settings of ALTER ROLE ... SET until the innermost NewGUCNestLevel() ends. Invalid ones only raise
// warnings.
void applySettings(Oid owner) {
    List* lines = NIL;
    runAsExtensionOwner([&lines, owner] {
        MemoryContext caller = CurrentMemoryContext;
        Oid type = OIDOID;
        Datum value = ObjectIdGetDatum(owner);
        SPI_connect();
        if (SPI_execute_with_args(settingsSql, 1, &type, &value, nullptr, true, 0) != SPI_OK_SELECT)
            elog(ERROR, "specql: reading the settings of a role failed");
        MemoryContext spi = MemoryContextSwitchTo(caller);
        for (uint64_t i = 0; i < SPI_processed; ++i) {
            lines = lappend(lines, SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1));
            lines = lappend(lines, SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2));
        }
        MemoryContextSwitchTo(spi);
        SPI_finish();
    });
    // The search path in force is that of a function of specql; the role starts with the default.
    setLocal("search_path", nullptr);
    for (int i = 0; i + 1 < list_length(lines); i += 2)
        (void)set_config_option(static_cast<const char*>(list_nth(lines, i)),
                                static_cast<const char*>(list_nth(lines, i + 1)), PGC_SUSET, PGC_S_SESSION,
                                GUC_ACTION_SAVE, true, WARNING, false);
}

}  // namespace

void detail::asOwner(Oid owner, void (*body)(void*), void* closure) {
    Oid user;
    int context;
    GetUserIdAndSecContext(&user, &context);
    if (isOwnSession(owner)) {
        int settings = NewGUCNestLevel();
        SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE);
        capture::resetSettings();
        body(closure);
        AtEOXact_GUC(false, settings);
        SetUserIdAndSecContext(user, context);
        return;
    }
    runSessionsDeferred();
    capture::beginRestrictedCall(owner);
    int settings = NewGUCNestLevel();
    capture::resetSettings();
    SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
    applySettings(owner);
    body(closure);
    handleFrameLeftovers();
    closePortals(GetCurrentSubTransactionId());
    AtEOXact_GUC(false, settings);
    SetUserIdAndSecContext(user, context);
    if (capture::endRestrictedCall()) restoreDeferredConstraints();
}

void initOwners() {
    nextUtility = ProcessUtility_hook;
    ProcessUtility_hook = watchSetConstraints;
}

}  // namespace specql::handling
