// What a table's actions listen to, compiled once per backend: the expressions of their capture functions, ready to be
// evaluated over the old and new row of a trigger.
#pragma once

#include "pg/base/server.hpp"

namespace specql::capture {

enum Operation { opInsert, opUpdate, opDelete, operationCount };

// The columns of a captured row. The outputs of the capture function other than these follow.
namespace captured {
constexpr int branches = 0;  // bytea: bit n-1 is set if branch n holds
constexpr int time = 1;      // timestamptz
constexpr int subject = 2;   // text
constexpr int data = 3;      // jsonb
constexpr int firstOutput = 4;
}  // namespace captured

// The capture function of an action, compiled for one operation.
struct CompiledCapture {
    int branchCount;
    ExprState** branches;    // one per branch; or
    ExprState* branchArray;  // the whole array, when its elements cannot be told apart
    ProjectionInfo* row;     // a captured row without branches and time
    bool mayRaise;           // a branch or a value can raise an error
    bool callsForeign;       // functions that do not come with the server
    ExprState* subject;      // with mayRaise: what a row that raised an error is recorded by
    ExprState* data;
};

struct EventSet;

// An action as the runtime sees it. It lives until the end of the transaction at least, even if it is out of date.
struct Rule {
    Oid trigger;  // of dispatch on its table; InvalidOid for a listener of a custom event
    int number;   // of that trigger among those of its table, which go by their names
    int turn;     // among all actions; good while `turnRead` is the registry's
    uint64_t turnRead;
    const char* action;
    const char* handlerName;
    const char* eventType;  // inventory.product.stock_quantity_changed, or the custom event's name
    const char* entity;     // inventory.product; nullptr for a custom event
    Oid relation;
    int operations;  // bits: 1 << Operation
    bool enabled;    // its own trigger fires in this session's replication role
    bool abortOnError;
    Oid owner;         // of a listener's action; its handler must belong to this role
    bool onlyMatches;  // handles the matches of a window or correlation, whoever else emits their event
    Oid captureOwner;  // whose rights conditions and values are evaluated with
    TupleDesc shape;   // of a captured row
    CompiledCapture* compiled[operationCount];  // nullptr where it does not listen, or is broken
    const ErrorData* broken;                    // why its capture function cannot be used; nullptr if it can
    FmgrInfo handler;                           // fn_oid is InvalidOid until the first call
    Oid handlerUser;                            // whose rights the handler runs with
    MemoryContext context;
    EventSet* openSet;     // where its last row went; only a hint
    TimestampTz warnedAt;  // start of the statement that was last warned of a condition's error
    uint8_t* mask;         // room for the branches of one row
    int maskSize;          // bytes
};

// The rules of one table. Rows of its partitions are subject to them too, so that one statement's events are one set
// whatever partitions they lie in.
struct RuleGroup {
    Oid relation;
    int ruleCount;
    Rule** rules;
    // False if a row matches no rule of the group; never raises an error. nullptr where each rule must be asked.
    ExprState* anyMatch[operationCount];
    bool listens[operationCount];
    bool callsForeign[operationCount];
    Oid owner;  // of all capture functions; InvalidOid if they differ
    ExprContext* evaluation;
};

// A group as seen from a row's table: its own, or that of a partitioned table above it.
struct RuleSource {
    RuleGroup* group;
    AttrMap* map;            // how the row's table differs from the rules'; nullptr if it does not
    TupleTableSlot* oldRow;  // room for converted rows
    TupleTableSlot* newRow;
};

struct RelationRules {
    Oid relation;  // hash key
    bool valid;
    int replicationRole;  // that `enabled` was computed for
    MemoryContext context;
    List* dependencies;  // OIDs of the relations it was read from
    RuleGroup* own;
    int sourceCount;
    RuleSource* sources;
    Oid captureTrigger[operationCount];  // the one that counts, should somebody add another one
};

// The rules that rows of this relation are subject to. The result is good until the next call that can process
// invalidations; rules in it live longer (see Rule).
RelationRules* rulesOf(Relation relation);

// The rule with this action name on `relation` itself, or nullptr. Of several, that of the event type (may be nullptr).
Rule* findRule(Relation relation, const char* action, const char* eventType);

// A rule for a custom event's listener, in `context`.
Rule* makeListener(MemoryContext context, const char* action, const char* event, const char* handler,
                   bool abortOnError);

// Evaluates the branches of a row that stands in `evaluation`; the result is in rule->mask, the number of bytes
// returned. 0 means that none holds.
int evaluateBranches(Rule* rule, CompiledCapture* compiled, ExprContext* evaluation);

// Makes handler and handlerUser ready; an error if the function does not exist, or belongs to somebody without the
// rights of the table's owner, or to another role than the one that registered it.
void prepareHandler(Rule* rule);

void registerRuleInvalidation();
// Frees compiled rules that were replaced. Only to be called at the end of a transaction.
void freeOutdatedRules();

}  // namespace specql::capture
