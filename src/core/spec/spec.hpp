// The specification as plain structs, each element with its position. Nothing is resolved here.
// docs/language.md tells what each part means.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "spec/window.hpp"
#include "text/source.hpp"

namespace specql::spec {

// One SQL scalar expression as the user wrote it. `id` indexes Spec::expressions and everything that is later
// known about it (ExpressionFacts, types).
struct ExpressionRef {
    int id = -1;
    explicit operator bool() const { return id >= 0; }
};

// A value of an enum, and what was written in its place before, the newest first.
struct RenamedValue {
    Text value;
    std::vector<Text> formers;
};

struct Field {
    Text name;  // as written, e.g. product_id
    Text type;  // e.g. enum(a, b), decimal(10,2), ref(Product); without '!' and '= default'
    bool required = false;
    Text isPrivate;  // private: as written
    ExpressionRef defaultValue;
    Text description;
    ExpressionRef check;
    std::vector<std::string> enumValues;  // type enum(...)
    ExpressionRef computed;               // of computed_fields: what PostgreSQL makes it of; the type may be empty then
    Text identity;                        // always or by default: PostgreSQL counts it
    Text unique;                          // unique: as written
    Text refTarget;                       // type ref(...): "Product" or "schema.Product"
    std::string refOnDelete;              // "", "cascade", "restrict", "set null"
    std::vector<Text> renamedFrom;        // former names, the newest first
    std::vector<RenamedValue> renamedValues;
};

struct OrderItem {
    ExpressionRef value;
    bool descending = false;
    int nulls = 0;  // 0 unsaid, 1 first, 2 last
};

struct IndexSpec {
    Text name;
    std::vector<OrderItem> columns;  // or expressions
    std::vector<Text> include;
    Text type;  // btree, gin, gist, brin, hash; empty means btree
    bool unique = false;
    ExpressionRef where;
    Pos pos;
};

// A table whose rows are kept in partitions by the time in a column.
struct Partitioning {
    Text strategy;  // range; not present: the table has none
    Text column;
    Text period;  // hourly, daily, weekly, monthly, quarterly, yearly
    Text retention;
    std::string retentionSql;  // "24 months"; empty: nothing is dropped
    int premake = 3;           // how many periods are made ahead
};

struct MaterializedView {
    Text name, query, description;
    Text refresh;
    std::string every;  // "1 hour"; empty: nobody but people refreshes it
    Text concurrent;    // as written, if it says yes
    std::vector<Text> unique;
    Pos pos;
};

struct Assignment {
    Text column;
    ExpressionRef value;
};

// Some text, and the value behind it. The last part of a text may have none.
struct TemplatePart {
    std::string text;
    ExpressionRef value;
};
// A text with {expressions} in it, cut there. Empty: it has no braces, so it is what it is.
using Template = std::vector<TemplatePart>;

enum class StepKind {
    insert,
    update,
    remove /* delete: */,
    append,
    create,
    upsert,  // inserts a row, or updates the one that has its key
    find,    // one row, by a name
    each,    // foreach: o in Order WHERE …: rows, one after the other
    lock,
    let,     // a value, by a name
    assign,  // set: of the row that is about to be written
    callExternal,
    notify,
    escalate,
    emit,
    function,  // <anything>: "f(args)" — an action, a function, or a queued call; resolve decides
    validate,
    branch /* if/then/else */,
    foreach,
    call,
    ret,
    stage  // a step of a process: what it does, and what undoes that
};

// What a step of a process is to those who run it.
enum class StageKind { run, check, call, wait, waitFor, waitUntilTrue, ask, choose, parallel, any };

// What a step of a process has beside what it does, which stands in `then` of its step, and what undoes that, in
// `otherwise`. Other steps are named by their places among all, from 1; 0 is none.
struct Stage {
    StageKind kind = StageKind::run;
    int parent = 0;    // the parallel one that it is a part of
    int chosenBy = 0;  // the one that says whether it is done
    int afterTimeoutOf = 0;
    int retries = 0;
    Text timeout, backoff;
    Text event;  // that it waits for
    Text due;    // of a question: after which time the answer is due
};

struct Step {
    StepKind kind = StepKind::insert;
    Text verb;              // the key as written: insert, process_backorders, …
    Text target;            // entity, service, channel, event name, or function name
    std::vector<Text> key;  // upsert: the columns that tell whether the row is there
    Text via;               // update, delete: the path to the one row that is meant
    std::vector<Assignment> set;
    Text label;               // of a step of a workflow: its name
    bool ofFields = false;    // the same: written as action:, entity: and fields:
    bool ownPayload = false;  // call_external, notify, escalate: what leaves is `set`, and not the event's data
    ExpressionRef where;
    std::vector<OrderItem> orderBy;
    ExpressionRef limit;
    Text limitSum;                 // LIMIT SUM(quantity) <= …: the column; `limit` is then the right side
    Text severity, repeat;         // escalate: how bad, and how often it is sent until somebody acknowledges it
    Text after;                    // call_external, emit: how long it waits before it leaves, or is raised
    ExpressionRef idempotencyKey;  // call_external: a second call with this value is not queued
    Text dedupeFor;                // for how long; empty: a day
    Text message;                  // operation of call_external; message of notify/escalate; error of validate/find
    Template targetParts;          // of the channel of notify/escalate
    Template messageParts;
    std::vector<ExpressionRef> args;          // function/call; return: the value, if there is one
    ExpressionRef condition;                  // validate, branch; foreach: the array; let: the value
    Text field;                               // validate: of a rule, what it is about
    Text variable;                            // foreach, find, let: the name; call: where the result goes
    std::vector<Step> then;                   // branch then; foreach body
    std::vector<Step> otherwise;              // branch else; find: what is done where there is no such row
    bool hasElse = false;                     // find: there are such steps
    std::vector<Step> onResponse, onFailure;  // call_external: what is done when the answer has come, or none will
    std::vector<Text> taken;                  // of an entity of several: columns whose values are given by the caller;
                                              // of a choice of a process: the steps that are done then; of a
                                              // question: what may be answered
    Text items;                               // the same: the array whose elements become its rows, or none
    std::optional<Stage> stage;
    Pos pos;
};

// One `if/then` of conditions:. An action with bare steps has one branch without condition.
struct Branch {
    ExpressionRef condition;
    Text conditionText;
    std::vector<Step> steps;
    std::vector<Step> otherwise;
    Pos pos;
};

struct Param {
    Text name;
    Text type;
    std::vector<std::string> enumValues = {};  // of a key of a payload: type enum(...)
};

// What the value of a field must be.
struct FieldRule {
    Text field;  // absent only in a rule of its own condition
    Text rule;   // required, enum, range, length, format, unique, custom
    Text message;
    Template messageParts;
    Text condition;  // what must hold; absent in `unique`
    explicit operator bool() const { return rule.present; }
};

// What a bulk operation says of the elements of its array.
struct Batch {
    Text key;               // the first key that says something of them
    bool byFields = false;  // it has no steps: `operation` says what is done with `fields`
    std::vector<Text> fields;
    std::string rowKey;              // without steps: by which key an element names its row
    int size = 0;                    // of how many elements one statement is; 0: unsaid
    int maxErrors = -1;              // -1: any number
    int maxElements = 0;             // 0: unsaid
    bool summary = false;            // it returns how many were done, and what was wrong with the others
    std::set<std::string> told;      // keys that the action says its elements have
    std::set<std::string> optional;  // keys that an element may lack
    std::vector<FieldRule> uniques;  // no other row has the value, and no element before it
};

// on: time Invoice.due_at + 3 days. It comes for each row.
struct DueTime {
    Text target;            // Invoice.due_at
    bool isBefore = false;  // the interval is taken away
    Text offset;            // 3 days; empty: at the time itself
    explicit operator bool() const { return target.present; }
};

// An action whose steps may wait. They are those of its one branch.
struct Process {
    bool compensates = false;  // what was done is undone if it cannot go on
    bool isSaga = false;       // the row of the entity that it stands in tells of it
    Text timeout;
};

struct Action {
    Text name;
    Text description;
    Text pattern;  // empty means event_driven_orchestrator
    Text trigger;  // exactly one of trigger, triggers, on for event-driven actions
    std::vector<Text> triggers;
    Text on;
    std::vector<Text> further;     // of on: or trigger:, if that is a list: the others
    Text schedule;                 // on:, if it is one: every day at 06:00, with single blanks
    DueTime due;                   // on:, if it is one
    Text zone;                     // of the schedule or due time; empty: UTC
    Text missed;                   // what becomes of its times that nobody saw to
    Text backfill;                 // of a due time: which rows that are there already it is for
    std::vector<Branch> branches;  // conditions: or steps:
    Text condition;                // condition: as text; windowed, correlated or a plain expression
    ExpressionRef plainCondition;  // set when `condition` is neither windowed nor correlated
    bool windowed = false;         // condition contains WITHIN, or aggregates
    bool correlated = false;       // triggers: with correlation_window
    WindowCondition window;        // of both
    Text operation;                // batch: update, insert, upsert, delete
    Text batchField;
    Batch batch;
    Text correlationWindow;
    std::vector<Text> correlateBy;
    Text afterMatch, cooldown, onError, maxAttempts, backoff, enabled;
    std::vector<Text> retryOn, parkOn;  // SQLSTATEs and classes of them
    Text when;                          // before, after the row is written; empty: after
    Text fires;                         // origin, replica, always: for which session_replication_role
    Text order;                         // as written
    int turn = 0;                       // its value
    std::vector<Step> onTimeout;
    std::vector<Text> renamedFrom;  // former names, the newest first
    std::vector<Text> validations;  // they are also the first steps of every branch
    Text errorHandling;
    std::vector<Param> params;
    ExpressionRef required;        // requires: who may call it
    std::vector<Text> fromStates;  // of a transition
    Text toState, guard;           // the same; the guard as written
    bool ofRow = false;            // a function whose first parameter is the key of a row of the entity it stands in
    ExpressionRef result;          // what the function returns, as text
    std::optional<Process> process;
    Pos pos;
    uint32_t firstLine = 0, lastLine = 0;  // the slice of the source that is this action
};

// A key of a service or an operation whose value is kept as JSON: rate, concurrency, …
struct Option {
    Text name;
    std::string json;
    Text key;  // of coalesce: the key of the payload by which calls replace each other
};

struct Operation {
    Text name;
    std::vector<Param> settings;  // path, method, …
    std::vector<Param> query;     // name and template
    std::vector<Param> headers;   // the same
    std::vector<Option> options;
};

struct Service {
    Text name;
    std::vector<Param> settings;  // url, timeout, retries, secret, format, ordering, …: key and raw value
    std::vector<Option> options;
    std::vector<Param> headers;
    std::vector<Operation> operations;
    std::vector<Text> renamedFrom;
    Pos pos;
    uint32_t firstLine = 0, lastLine = 0;
};

// A change of state that is allowed.
struct Transition {
    std::vector<Text> from;
    Text to;
    Text on;              // the function that makes it; empty: whoever may write the row
    ExpressionRef guard;  // over the row as it is written
    Pos pos;
};

// The states of an entity's rows: values of one of its enum fields.
struct States {
    Text field;
    Text initial;
    std::vector<Transition> transitions;
    Pos pos;
};

struct Entity {
    Text name;                           // InventoryEvent
    Text schema;                         // empty: public
    Text table;                          // as written; empty: the name in snake case, in the schema
    std::string tableSchema, tableName;  // what it says; no schema: the entity's
    Text columns;                        // of an adopted table, those that events carry: declared, all; empty: all
    Text description;
    std::vector<Field> fields;
    std::vector<Text> key;                   // fields; empty: id
    std::vector<std::vector<Text>> uniques;  // fields that are unique together
    std::vector<IndexSpec> indexes;
    std::optional<States> states;
    Partitioning partitioning;
    std::vector<MaterializedView> views;
    std::vector<Action> actions;
    std::vector<Text> renamedFrom;
    Pos pos;
    uint32_t firstLine = 0, lastLine = 0;
};

// A document with only actions: they join the schema of the document before them, else their own, else apply's.
struct Rules {
    Text schema;  // empty: apply's argument
    std::vector<Action> actions;
    Pos pos;
    uint32_t firstLine = 0, lastLine = 0;
};

struct Spec {
    std::vector<Entity> entities;
    std::vector<Rules> rules;
    std::vector<Service> services;
    std::set<int> withQueries;      // expressions that may hold queries: of steps, where rows are not captured
    std::vector<Text> expressions;  // every SQL expression of the text; ExpressionRef::id is the index
};

}  // namespace specql::spec
