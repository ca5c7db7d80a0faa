// What the server knows, as plain data: gathered by pg/catalog before the core reasons about it.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "model/kinds.hpp"
#include "model/table_shape.hpp"
#include "text/diagnostic.hpp"

namespace specql {

// --- expressions, parsed by PostgreSQL's own parser (raw parse tree, nothing analysed) -------------------------

// One column reference in an expression: where it stands and its parts ("new", "stock_quantity").
struct NameUse {
    size_t offset = 0;  // byte offset in the expression text
    size_t length = 0;  // bytes, the whole dotted name
    std::vector<std::string> parts;
    std::string literalPeer;  // type of a literal it is compared or computed with: integer, numeric, text, boolean
    std::vector<int> peers;   // indexes of other names that are operands of the same operator
    std::string castTo;       // `name::type`: the type as text
    int query = -1;           // the query that it stands in, of ExpressionFacts::queries; -1: none
    int addend = 0;           // the expression is this name and others added to it or taken away: by so many operators
};

// One function call in an expression.
struct CallUse {
    size_t offset = 0;
    std::vector<std::string> name;  // schema and name, or name alone; lower-cased as PostgreSQL does
    int args = 0;
};

// A comparison, IN, LIKE, BETWEEN or IS DISTINCT FROM: the names in its sides, as indexes into ExpressionFacts::names.
struct ComparisonUse {
    std::vector<int> left, right;
    bool leftIsName = false, rightIsName = false;  // the side is one name and nothing else
    bool otherOperator = false;                    // && or @> or the like, between two names
    bool isEqual = false;                          // =, as a part of the condition and not under NOT
};

// How a condition is put together of AND and OR, and of CASE, COALESCE and IS NOT FALSE, which hide them. Where NOT
// stood before them, they have changed places.
struct ConditionPart {
    // missing: holds where a value that it names is NULL; never: holds nowhere
    enum class Kind { leaf, missing, never, all, any } kind = Kind::leaf;
    std::vector<int> names;            // leaf, missing: indexes into ExpressionFacts::names
    std::vector<ConditionPart> parts;  // all, any
};

// A text in quotes beside names: it is compared with them, is given by coalesce in their place, or is what the whole
// expression may give. LIKE's patterns are none.
struct LiteralUse {
    size_t offset = 0;
    std::string value;
    std::vector<int> with;   // indexes into ExpressionFacts::names
    bool isResult = false;   // the whole expression may have this value
    bool isInstead = false;  // coalesce gives it where there is no value
};

// A value of SQL that is written like a name: current_user, localtime.
struct SqlValueUse {
    size_t offset = 0;
    std::string name;  // in lower case
};

// An entity that a query in the expression looks at.
struct TableUse {
    size_t offset = 0;
    size_t length = 0;  // with the name that the query gives it
    int query = -1;
    std::string name;   // as written
    std::string alias;  // empty: none
};

// Refused by the gatherer with `error` set: more than one expression, parameter, DEFAULT, star,
// aggregate or window syntax, comments.
struct ExpressionFacts {
    bool ok = false;
    Code code = Code::none;  // of the refusal
    std::string error;
    std::string hint;
    size_t errorOffset = 0;             // byte offset in the expression text
    std::vector<std::string> keywords;  // of a syntax error: the words at its place that no column can have as a name
    std::vector<NameUse> names;         // in text order
    std::vector<size_t> queries;        // where they stand; only values and conditions of steps may have any
    std::vector<TableUse> tables;
    std::vector<CallUse> calls;
    std::vector<ComparisonUse> comparisons;
    ConditionPart condition;
    std::vector<ConditionPart> conditions;  // those that stand within something else too: (a OR b) IS TRUE
    std::vector<LiteralUse> literals;
    std::vector<int> ordered;  // names that <, > or BETWEEN put in an order, or GREATEST and LEAST
    std::vector<int> results;  // names whose value the whole expression may have
    std::vector<int> notNull;  // names of which IS NOT NULL is asked
    std::vector<SqlValueUse> sqlValues;
    bool isJsonPart = false;  // the whole is x -> key or x #> path, which stay JSON
    bool isLiteral = false;   // the whole expression is one constant
    std::string literalType;  // integer, numeric, text, boolean, null
    std::string literalValue;
};

// --- the catalog -------------------------------------------------------------------------------------------------

struct ColumnView {
    std::string name;
    std::string type;  // format_type(), e.g. "integer", "timestamp with time zone"
    bool notNull = false;
    bool hasDefault = false;
    bool generated = false;
    std::string identity;     // always or by default; empty: PostgreSQL does not count it
    bool hasEquality = true;  // as TypeView::hasEquality
};

struct TableView {
    std::string schema;
    std::string name;
    char kind = 'r';          // pg_class.relkind
    bool owned = false;       // specql created it (specql.object knows it)
    bool callerOwns = false;  // the current user owns it or is a member of the owner
    bool fillsRows = false;   // a trigger of its own sees rows before they are inserted, and may give them values
    std::string owner;
    std::string comment;
    bool distributed = false;  // by Citus
    std::string heirs;         // the tables that inherit it, unless they are partitions: "s.a, s.b"
    std::vector<ColumnView> columns;
    std::vector<std::string> primaryKey;
    std::string partition;  // RANGE (column), as PostgreSQL writes it; empty: it is not partitioned

    const ColumnView* column(const std::string& name) const;
};

// Who may execute a function beside its owner.
struct Grantee {
    std::string role;  // empty: PUBLIC
    bool mayGrant = false;
};

struct FunctionView {
    std::string schema;
    std::string name;
    int args = 0;      // input arguments
    int defaults = 0;  // how many of them may be left out
    bool variadic = false;
    bool owned = false;
    bool callerOwns = false;  // as for tables
    std::string identity;     // pg_get_function_identity_arguments form: schema.name(args)
    std::string comment;
    std::string returns;
    std::string
        signature;  // pg_get_function_arguments() and pg_get_function_result(): "branch integer) TABLE(id uuid)"
    std::string owner;
    bool callersOwn = false;        // the owner is the current user itself
    bool granted = false;           // somebody granted or revoked: `grantees` are all who may execute it
    std::vector<Grantee> grantees;  // without the owner
};

// An index or constraint with a comment, on one of the tables.
struct ExtraView {
    ObjectKind kind = ObjectKind::index;  // or a constraint
    std::string identity;
    std::string comment;
    bool callerOwns = false;
};

// Where an action stands among all others. Compared from the left, so that there is always room between two of them.
using Place = std::vector<int>;

// A document that was applied before: the current version of each.
struct InstalledUnit {
    std::string kind;  // entity, action (from a rules document), service
    std::string schema;
    std::string name;
    std::string text;  // YAML that reads to exactly this unit

    std::string key() const { return kind + ":" + schema + "." + name; }
};

// What tells objects apart: kind and identity.
using ObjectKey = std::pair<ObjectKind, std::string>;

// An object that apply created for a unit.
struct InstalledObject {
    ObjectKind kind = ObjectKind::schema;
    std::string identity;   // as Object::identity
    std::string table;      // as Object::table
    std::string unit;       // kind:schema.name of the unit that wants it
    std::string sql;        // the text it was made with
    bool hasShape = false;  // a table, and it is known what was made of it
    TableShape shape;
    bool present = true;   // it is still in the catalog
    bool altered = false;  // by somebody else since; known only of units that the text names
    std::string recorded;  // what the record calls it, if it was moved since

    ObjectKey key() const { return {kind, identity}; }
    // The table that it is, or is on; empty for others.
    const std::string& ofTable() const { return kind == ObjectKind::table ? identity : table; }
    // A constraint's or trigger's own name, quoted: its identity without " on " and the table.
    std::string ownName() const { return identity.substr(0, identity.size() - table.size() - 4); }
};

// A table of specs that somebody gave another name or schema. It is known by what does not change.
struct MovedTable {
    std::string identity, formerSchema, formerName;  // as recorded
    std::string schema, name;                        // where it is now
    std::string unit;
    std::string back;         // the commands that would undo it
    bool withSchema = false;  // its former schema is gone: that was renamed
    bool followed = false;    // the objects are known under their new names
};

struct TypeView {
    bool ok = false;
    std::string canonical;  // format_type() of the type PostgreSQL reads in the text
    std::string error;
    std::string hint;  // may be empty
    // Values are compared by = as their order or hash does; json, point and xml have neither.
    bool hasEquality = true;
};

struct CatalogView {
    std::vector<TableView> tables;          // those with a name the specs mention, and all that specql owns
    std::vector<FunctionView> functions;    // those with a name the specs mention or generate
    std::vector<std::string> callable;      // names of all functions that users made, for hints
    std::vector<ExtraView> extras;          // of those tables
    std::vector<std::string> schemas;       // all that exist
    std::vector<std::string> foreignTypes;  // "schema.name" of other relations and types that a name may collide with
    std::map<std::string, TypeView> types;  // by the text in the spec
    std::vector<InstalledUnit> units;
    std::vector<InstalledObject> objects;
    std::map<std::string, Place> places;  // of actions, by schema and name; also of those that are gone
    std::vector<MovedTable> moved;
    bool adopt = false;  // apply's arguments
    bool allowDestructive = false;
    std::vector<std::string> removed;  // the units that are taken away, as kind:schema.name
    bool dropTables = false;           // with its tables
    int serverVersion = 150000;
    bool isUtf8 = true;  // the encoding of the database

    const TableView* table(const std::string& schema, const std::string& name) const;
};

// --- types, asked of PostgreSQL's analyser -------------------------------------------------------------------------

// "What type has this expression if the name at this offset has that type?"
struct TypedName {
    size_t offset = 0;
    std::string type;  // "integer"; "record" for a whole row
    int typeOf = -1;   // instead of `type`: the type that an earlier request has, by its place
    int elements = 0;  // and of that the elements, so many times
    int table = -1;    // the entity of the expression's queries whose column it is, with the column's name
    std::string column;
};

struct AnalysisRequest {
    int expression = -1;  // index into Spec::expressions (of the merged world)
    std::vector<TypedName> names;
    std::string target;       // the type it is assigned to; "boolean" for a condition; empty: any
    bool aggregates = false;  // it may call sum and the like, of rows that it is given
};

// A function, type or operator in an expression that is found outside pg_catalog: generated code runs with
// search_path = pg_catalog, pg_temp, so emit writes `sql` in its place.
struct QualifiedUse {
    size_t offset = 0;  // byte offset in the expression text
    size_t length = 0;
    std::string sql;  // quoted and schema-qualified; for IN, two uses stand for what is around its list
};

// A text like 'now' where a time is wanted: PostgreSQL reads it once, and it stands still from then on.
struct MomentUse {
    size_t offset = 0;  // byte offset in the expression text
    std::string text;
    std::string hint;
};

struct AnalysisResult {
    bool ok = false;
    Code code = Code::none;               // of the refusal
    std::vector<QualifiedUse> qualified;  // in text order
    std::vector<MomentUse> moments;
    std::string type;  // of the expression before the assignment cast
    std::string error;
    std::string hint;
    size_t errorOffset = 0;  // byte offset in the expression text
    bool isVolatile = false;
    bool isImmutable = true;  // only what the names stand for decides
    bool readsRows = false;   // a function of somebody's own may read tables
};

}  // namespace specql
