// Listeners: what actions listen to. Those of tables are compiled once per backend, from their capture functions to
// expressions that are evaluated over the old and new row of a trigger.
#pragma once

#include "pg/capture/omitted.hpp"

namespace specql::capture {

enum Operation { opInsert, opUpdate, opDelete, opTruncate, operationCount };

// The columns of a captured row. The outputs of the capture function other than these follow.
namespace captured {
constexpr int branches = 0;  // bytea: bit n-1 is set if branch n holds
constexpr int time = 1;      // timestamptz
constexpr int subject = 2;   // text
constexpr int data = 3;      // jsonb
constexpr int firstOutput = 4;
}  // namespace captured

struct RowImages;

// The capture function of an action, compiled for one operation.
struct CompiledCapture {
    int branchCount;
    ExprState** branches;    // one per branch; or
    ExprState* branchArray;  // the whole array, when its elements cannot be told apart
    ProjectionInfo* row;     // a captured row without branches, time and data
    RowImages* images;       // its data
    ColumnsRead reads;       // by branches and values
    bool readsWithheld;      // one of these is in no image
    bool mayRaise;           // a branch or a value can raise an error
    bool callsForeign;       // it calls functions that do not come with the server
    ExprState* subject;      // only with mayRaise: this column alone, to record a row that raised an error
};

struct EventSet;

// An action's registration for one table or one custom event. It lives at least until the end of the transaction, even
// if an invalidation has made it out of date.
struct Listener {
    Oid trigger;        // of specql.dispatch on its table; InvalidOid for a listener of a custom event
    int triggerNumber;  // of that trigger among the triggers of its table, which are sorted by name
    int rank;           // in the order of all actions; computed when the registry was at `rankGeneration`
    uint64_t rankGeneration;
    const char* action;
    const char* handlerName;
    const char* eventType;  // inventory.product.stock_quantity_changed, or the custom event's name
    const char* entity;     // inventory.product; nullptr for a custom event
    Oid relation;
    int operations;  // bits: 1 << Operation
    bool enabled;    // its trigger fires under session_replication_role
    bool abortOnError;
    Oid owner;         // for a custom event: of the action; the handler must belong to this role
    bool onlyMatches;  // it handles matches of its window or correlation, or its due times, and no other event of that
                       // type
    bool onlyAnswers;  // it handles answers to calls of its own action, and no other event of that type
    Oid captureOwner;  // owner of the capture function: conditions and values are evaluated with its rights
    TupleDesc rowDescriptor;                    // of a captured row
    CompiledCapture* compiled[operationCount];  // nullptr where it does not listen, or with captureError
    const ErrorData* captureError;              // why its capture function cannot be used; nullptr if it can
    FmgrInfo handler;                           // fn_oid is InvalidOid until the first call
    Oid handlerOwner;                           // the handler runs with the rights of this role
    MemoryContext context;
    EventSet* openSet;     // the set that took its last row; openEventSet() checks whether it still fits
    TimestampTz warnedAt;  // start of the last statement that got a warning of a condition's error
    uint8_t* mask;         // result of evaluateBranches(), overwritten for each row
    int maskSize;          // allocated bytes
};

// The listeners of one table. They also see the rows of its partitions, so that the events of one statement form one
// set for each action, whatever partitions the rows are in.
struct TableListeners {
    Oid relation;
    int count;
    Listener** listeners;
    // One expression for all listeners: false if the row matches none of them. It cannot raise an error. nullptr if
    // there is no such expression, so that each listener must be evaluated.
    ExprState* anyMatch[operationCount];
    bool listens[operationCount];
    bool callsForeign[operationCount];
    Oid owner;  // of all capture functions; InvalidOid if they have several owners
    // Of Listener: what handles answers to calls that actions on this table have made. They have no triggers, and are
    // compiled when they are first asked for.
    List* answers;
    ExprContext* evaluation;
    ExprContext* beforehand;  // of anyMatch alone, asked before the trigger fires
};

// Listeners that a row is shown to: those of its own table, or of a partitioned table above it.
struct ListenerSource {
    TableListeners* group;
    AttrMap* map;            // from the row's columns to those of group->relation; nullptr if they are the same
    TupleTableSlot* oldRow;  // for converted rows
    TupleTableSlot* newRow;
};

// The triggers of a relation that a statement on it needs: see statement.hpp.
struct NeededTriggers {
    int of;        // so many has the relation
    int count;     // so many of them are needed
    int* numbers;  // which; they stay in their order
    bool filters;  // rows that match no condition can be told before their trigger fires
    int idle;      // bits 1 << Operation: without such a row nothing is to be fired at the statement's end
};

struct RelationListeners {
    Oid relation;
    bool valid;           // false as soon as something of it may have changed; nothing else changes any more
    int replicationRole;  // session_replication_role for which the entry was built
    MemoryContext context;
    List* dependencies;      // OIDs of the relations it was read from
    TableListeners* direct;  // of the relation itself, without those above it
    int sourceCount;
    ListenerSource* sources;
    Oid captureTrigger[operationCount];  // the specql.capture trigger that captures; others do nothing
    NeededTriggers needed;
};

// The listeners for rows of this relation, compiled if necessary. They live to the end of the transaction, even if an
// invalidation makes them out of date and other ones are compiled: an expression that is evaluated for a row may run
// any code. Raises an error if a capture function of an action with on_error = abort cannot be used.
const RelationListeners* relationListeners(Relation relation);
// The same if they are compiled, else nullptr. Reads no catalog and raises no error.
const RelationListeners* knownListeners(Oid relation);

// The listener of this action on `relation` itself, or nullptr. If there are several, the one for `eventType`, or for
// nullptr the first.
Listener* findListener(Relation relation, const char* action, const char* eventType);

// The listener of this action on `relation` for an answer to its calls, or nullptr. Raises an error if its capture
// function cannot be used.
Listener* findAnswerListener(Relation relation, const char* action, const char* event);

// A listener for a custom event, allocated in `context`; the texts are copied.
Listener* makeEventListener(MemoryContext context, const char* action, const char* event, const char* handler,
                            bool abortOnError);

// Evaluates the branches over the old and new row in `evaluation` into listener->mask, and returns the size of the mask
// in bytes; 0 if no branch holds. Raises what the conditions raise.
int evaluateBranches(Listener* listener, CompiledCapture* compiled, ExprContext* evaluation);

// Looks up handler and handlerOwner unless that was done. Raises an error if the function does not exist, if its owner
// has not the rights of the table's owner, or (for a custom event) if its owner is not the action's.
void prepareHandler(Listener* listener);

// Once per backend, when the library is loaded.
void registerListenerInvalidation();
// Frees listeners that are out of date. Only to be called at the end of a transaction.
void freeOutdatedListeners();

}  // namespace specql::capture
