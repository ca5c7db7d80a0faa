// The triggers of a table that are specql's, and the actions that they are of.
#pragma once

#include "pg/capture/table_listeners.hpp"

namespace specql::capture {

// What specql.action says of an action on a table.
struct TableRegistration {
    const char* trigger;  // its name, see triggerNameOf()
    const char* action;
    const char* event;
    const char* handler;
    const char* capture;
    bool abortOnError;
};

// The triggers of a relation, copied into the current memory context; nullptr if it has none. Those of the relation
// itself are freed as soon as a catalog is read after a GRANT or ANALYZE of any session, though the relation is open
// and locked.
TriggerDesc* triggersOf(Relation relation);

// The name of the trigger of the action with this capture function: the function's own, with _trigger for _capture. So
// a trigger needs no arguments. Each of them would be copied by every statement on the table.
char* triggerNameOf(const char* capture);

// The OID of specql's function without arguments of this name.
Oid specqlFunction(const char* name);

// The actions (TableRegistration*) that are registered for the rows of a table and have, among its triggers, one that
// runs `dispatch`, whatever version the catalog is of. In the current memory context.
List* registrationsOn(Relation relation, const TriggerDesc* triggers, Oid dispatch);

// The one of them whose trigger this is. nullptr if the trigger was not made by specql, or its action is gone: then a
// warning is raised, and an error if the action was to check what statements do.
const TableRegistration* registrationOf(const List* registrations, const Trigger* trigger, Relation relation);

// A listener for an action on a table, whose capture function is yet to be compiled. In the current memory context.
Listener* makeTableListener(const TableRegistration* registered, const Trigger* trigger, Relation relation);

// What handles the answers of this type to calls of an action on a table; nullptr if nothing does. Its trigger is
// nullptr. In the current memory context.
TableRegistration* answerRegistration(Relation relation, const char* action, const char* event);

// The same for what handles answers, which listens to nothing that happens to the table.
Listener* makeAnswerListener(const TableRegistration* registered, Relation relation);

// The part of specql.action that handles the answers of a type: this, and the type behind it.
constexpr char answerPart[] = "answer ";

// Does a trigger with this pg_trigger.tgenabled fire under the session's session_replication_role?
bool firesInThisSession(char enabled);

// For each operation the oldest trigger of specql.capture that fires, so that one that somebody adds later cannot
// replace what specql has made; InvalidOid if there is none. `triggers` may be nullptr.
void findCaptureTriggers(const TriggerDesc* triggers, Oid found[operationCount]);

// The operations that a trigger is for, as bits 1 << Operation.
int operationsOf(const Trigger* trigger);

}  // namespace specql::capture
