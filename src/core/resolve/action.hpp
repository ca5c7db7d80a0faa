// An action understood: what raises it, and what every name in it means.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "resolve/window.hpp"
#include "resolve/world.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

enum Op : unsigned { opInsert = 1, opUpdate = 2, opDelete = 4, opTruncate = 8 };
constexpr unsigned everyRowChange = opInsert | opUpdate | opDelete;
// insert, update, delete, truncate: those of `ops`.
const std::vector<std::string>& operationWords(unsigned ops);

// When the rows of an entity are due.
struct DueTime {
    EntityInfo* entity = nullptr;  // null: none
    std::string column;
    std::string type;         // of the column
    std::string offset;       // 3 days; empty: none
    bool isBefore = false;    // the offset is taken away
    std::string zone;         // of a date, and of the days of the offset
    std::string key() const;  // what the payload calls the key of the row: invoice_id
    explicit operator bool() const { return entity != nullptr; }
};
// The key of its payload that is the time at which the row was due.
inline constexpr const char* dueTimeKey = "due_at";

// What raises an action.
struct Binding {
    bool custom = false;           // specql.emit, or the body of a bulk operation, which takes parameters
    EntityInfo* entity = nullptr;  // row events
    unsigned ops = 0;
    std::string changedColumn;        // update of this column to a distinct value
    std::vector<std::string> others;  // or of one of these
    std::string valueColumn, value;   // insertion of a row whose event_type is this
    bool scheduled = false;           // custom: it comes at its times
    DueTime due;                      // of what is scheduled, and of the listener that keeps the times of the rows
    bool ofEngine = false;            // custom: it tells what happened to specql itself
    std::string event;                // short name: stock_quantity_changed, created, …; the custom name; the schedule
    std::string rule;                 // for explain
    std::string shown() const;
    // Is all that it carries known? Nobody can emit it.
    bool isKnown() const { return scheduled || ofEngine; }
    // Does a row raise it at its time? Its listener is raised by changes of that row.
    bool isDue() const { return custom && due; }
    // A TRUNCATE is about all rows of its entity, and about none that could be named.
    bool hasRow() const { return !custom && ops != opTruncate; }
    // The columns of which one must change in an update; none: any update will do.
    std::vector<std::string> changed() const;
};

enum class ValueKind {
    eventColumn,  // of the row the event is about; `old` chooses the old row
    eventChange,  // new minus old of a column
    eventRow,     // the whole row
    meta,         // event_id, event_type, event_time, event_data
    context,      // a column of the row that a key names
    payload,      // a key of a custom event
    target,       // a column of the row being updated, deleted or checked
    handled,      // a column of a row that a bulk operation handled
    local,        // a variable of foreach, a name that let gives
    row,          // a column of a row that find or foreach has given a name
    match,        // match_count, … of a window
    caller,       // who did it: a key of specql.caller()
    queryColumn,  // a column of an entity that a query in the expression looks at
    answer,       // what came back of the call: response, error, …
    word,         // a value of an enum, by its name
    result,       // of an earlier step of a process: a key of what it gave; without a name, whether it is done
};

struct Value {
    ValueKind kind = ValueKind::payload;
    std::string name;  // column, key, local
    bool old = false;
    bool strict = false;  // written as new.x: NULL after a deletion, where a bare x is the old row's
    // Index into ResolvedAction::contexts; of a queryColumn into BoundExpression::tables, of a row into
    // ResolvedAction::rows, of a local into ResolvedAction::locals, unless its type is known; of a result, the place of
    // the step among those of the process, from 0.
    int context = -1;
    const EntityInfo* entity = nullptr;  // of a queryColumn or a row
    int expression = -1;                 // of a queryColumn: in which expression the query stands
    std::string type;                    // empty for a payload key until inferred
    std::string rule;
    std::string shown;
};

struct BoundExpression {
    int expression = -1;              // into the world's expressions; -1: none
    std::vector<Value> values;        // one for each ExpressionFacts::names
    std::vector<EntityInfo*> tables;  // one for each ExpressionFacts::tables
    std::string target;               // type it is assigned to
    int request = -1;                 // into Resolver::requests
    int gives = -1;                   // let: into ResolvedAction::locals
    std::vector<Slice> aggregates;    // calls of sum and the like over the elements of an array
    explicit operator bool() const { return expression >= 0; }
};

// The key of an emit step that is the event's time.
inline constexpr const char* eventTimeKey = "occurred_at";
// The row that an event is about, as it is when an answer to a call of the event has come.
inline constexpr char currentRow[] = "current";

struct BoundAssignment {
    std::string column;
    BoundExpression value;  // none: the event's value of the same name (create:), see `taken`
    std::optional<Value> taken;
};

struct BoundOrder {
    BoundExpression value;
    const spec::OrderItem* spec = nullptr;
};

enum class CallKind { none, action, function, queued };

struct ResolvedStep {
    const spec::Step* spec = nullptr;
    EntityInfo* target = nullptr;
    std::vector<BoundAssignment> set;
    BoundExpression where, limit, condition;
    std::vector<BoundOrder> order;
    std::string allocated;  // LIMIT allocates: the column whose sum must fit
    std::vector<BoundExpression> args;
    // Of the channel and the message: one for each part, or nothing if they have none.
    std::vector<BoundExpression> targetValues, messageValues;
    BoundExpression idempotencyKey;
    CallKind call = CallKind::none;
    const ActionInfo* calledAction = nullptr;
    std::string calledFunction;    // quoted and qualified
    std::vector<std::string> key;  // upsert: the columns that tell whether the row is there
    std::string variable;          // foreach, let: what holds it in generated code: total of v_total
    int row = -1;                  // find, foreach of rows: into ResolvedAction::rows
    bool takes = false;            // bulk: this update/delete takes the rows that the steps behind it are done for
    std::optional<Value> rowKey;   // update/delete of the row with this key: a taken row, or one that it refers to
    bool ownRow = false;           // update/delete of the row the event is about
    int byContext = -1;            // update/delete of the row that this context leads to
    int way = -1;                  // the same among the ways, while names are bound
    bool ofItems = false;          // of several entities: its rows are found by the elements, or it is asked of each
    bool ofStage = false;          // what undoes a step of a process: its rows are those that the step made or changed
    std::vector<ResolvedStep> then, otherwise;
};

// A comparison that no row is taken without.
bool isDemanded(const ConditionPart& part, const ComparisonUse& comparison);

// What the key of the written row must be equal to, by the step's WHERE; null if it says no such thing.
const Value* keyInWhere(const World& world, const ResolvedStep& step);

// What a listener hands to a window's term for each event. Names stand for keys of a custom event's payload, which may
// be missing; expressions for values of a row.
struct FeedTerm {
    int term = 0;  // index into Window::terms
    std::string fieldName;
    std::vector<std::string> keyNames;
    BoundExpression field;
    std::vector<BoundExpression> keys;
};

struct ResolvedBranch {
    const spec::Branch* spec = nullptr;
    bool onTimeout = false;        // of a correlation: for matches that are timeouts
    std::optional<FeedTerm> feed;  // of a listener that feeds a window; its condition is the term's FILTER
    BoundExpression condition;
    std::vector<ResolvedStep> steps, otherwise;
};

// A way from the event to one row: by a ref of its row or a key of its payload, and on by the refs of such a row. The
// row is read at the start, and locked if the action updates it.
struct Context {
    EntityInfo* entity = nullptr;
    std::string path;         // as specs write it: debit, order.customer, old.plan
    Value key;                // while ways are looked for and `via` is one: the name of the column that holds it
    int via = -1;             // the way to the row that holds the key; -1: the event itself does
    int distance = 1;         // rows to go through
    bool byPathOnly = false;  // no bare name leads there
    std::string variable;     // what holds the row in generated code: debit of v_debit
    std::set<std::string> columns;
    bool locked = false;
    bool isRemoved = false;  // the action deletes it in the end
};

// A row that find or foreach has given a name.
struct NamedRow {
    const EntityInfo* entity = nullptr;
    std::string name;
    std::string variable;           // what holds it in generated code: c of v_c
    std::set<std::string> columns;  // that are read
    std::string alias = {};         // of a row that an element leads to: what queries call it
    std::string column = {};        // the same: which of the element's columns
};

// The elements of an array that an action over several entities is given, as rows of one of them.
struct Items {
    EntityInfo* entity = nullptr;
    size_t step = 0;                 // of the branch: the one that inserts them
    std::string parameter;           // items
    std::vector<std::string> given;  // the columns that elements have keys for
    std::set<std::string> needed;    // columns that other values are made of
    // A row that a column of each element leads to: into ResolvedAction::rows.
    struct Ref {
        int row = -1;
        std::string column;
    };
    std::vector<Ref> refs;
};

// A name whose type is that of an expression, and so known when all are analysed.
struct LocalValue {
    int of = -1;          // of an element: the local that is the array; -1: of the expression itself
    int request = -1;     // of the expression, into Resolver::requests
    int expression = -1;  // where it stands
    std::string type;     // when it is known
};

// A step of a process that an event, or a change of rows, may let go on.
struct Waiter {
    size_t stage = 0;    // its place, from 0
    bool ofRow = false;  // it reads nothing of these rows but the one that its process is about
};

struct ResolvedAction {
    const ActionInfo* info = nullptr;
    Binding binding;
    std::vector<ResolvedBranch> branches;
    std::vector<Context> contexts;
    std::vector<NamedRow> rows;
    std::vector<LocalValue> locals;
    std::set<std::string> variables;             // of rows and values that steps name
    std::map<std::string, std::string> payload;  // custom: key → type
    std::vector<std::string> payloadOrder;       // in order of first use
    std::string batchParameter;      // bulk: the array whose elements have these keys; empty if they are parameters
    const Window* window = nullptr;  // set for the action that handles the window's matches
    // Set for a listener that feeds it, the name of its event; and for one that keeps due times, or lets a process go
    // on.
    std::string source;
    std::vector<Waiter> waiters;  // the same, of that one: the steps that wait
    bool isFeed() const { return !source.empty(); }
    std::string answer;  // set for what is done with answers to a call: payments.charge.succeeded
    bool isAnswer() const { return !answer.empty(); }
    std::optional<Items> items;     // of an action over several entities
    std::optional<Value> returned;  // the same: the key of its parent
    int parentRow = -1;             // the same: into rows, if the parent is inserted
    size_t parentStep = 0;
    std::map<int, std::set<std::string>> results;  // of a process: which values of its steps later ones use, by place
    EntityInfo* record = nullptr;                  // of a saga: the entity whose row tells of it
    BoundExpression required;                      // of a function: who may call it
    BoundExpression result;                        // what it returns; none: how many rows it handled
    std::string base;                              // with the table's name when the action has several

    // A bulk operation's parameters: name and type.
    std::vector<std::pair<std::string, std::string>> parameters() const {
        if (!batchParameter.empty()) return {{batchParameter, "jsonb"}};
        std::vector<std::pair<std::string, std::string>> result;
        for (const std::string& key : payloadOrder)
            result.push_back({key, payload.at(key)});
        return result;
    }
};

}  // namespace specql::resolve
