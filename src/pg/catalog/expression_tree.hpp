// Reads one SQL scalar expression by PostgreSQL's parser, and refuses what is not allowed before the analyser sees it:
// some raw trees crash the analyser (a bare `*`), and others would do more than compute a value.
#pragma once

#include "pg/compat.hpp"
#include "text/diagnostic.hpp"

namespace specql::catalog {

// All of this is palloc'd plain data; offsets are bytes in the text that was parsed (in the server's encoding).

struct RawName {
    int offset;
    int index;                // in RawExpression::names
    List* fields;             // of String: "new", "stock_quantity"
    const char* literalPeer;  // type of a literal that it is compared or computed with, or nullptr
    List* peers;              // of RawName: other operands of the same operator; may repeat
    const char* castTo;       // name::type: the type, or nullptr
    int query;                // the query that it stands in, counted from 1; 0: none
    int addend;  // number of operators above it, if all of them are + or - of which it is an addend; else 0
};

struct RawCall {
    int offset;
    List* name;  // of String
    int args;
};

// The two sides of a comparison; the names in them are ranges of RawExpression::walked.
struct RawComparison {
    int begin, middle, end;  // left: [begin, middle), right: [middle, end)
    bool leftIsName, rightIsName;
    bool otherOperator;  // && or @> or the like, between two names
    bool isEqual;        // =, as a part of the condition and not under NOT
};

// The logical structure of a condition, also through CASE, COALESCE and IS NOT FALSE. NOT is resolved: under it `all`
// and `any` are exchanged. `missing` holds if a value that it names is NULL; `never` never holds.
struct RawPart {
    enum Kind { leaf, missing, never, all, any } kind;
    int begin, end;  // leaf, missing: its names, as a range of RawExpression::walked
    List* parts;     // all, any: of RawPart
};

// A text literal, and the names that it may stand for: those it is compared with, or those before it in a COALESCE.
struct RawLiteral {
    int offset;
    const char* text;
    List* columns;   // of ColumnRef
    bool isResult;   // the whole expression may have this value
    bool isInstead;  // the value of a COALESCE if the others are NULL
};

struct RawType {
    TypeName* type;  // location in it; named without schema
};

// An entity behind FROM or JOIN.
struct RawTable {
    int offset;
    int query;           // as above
    const char* alias;   // nullptr if it has none
    const char* called;  // the alias, or the name
    ::Node** link;       // where the RangeVar hangs in the tree
};

struct Refusal {
    Code code;  // none: not refused
    const char* message;
    const char* hint;  // may be nullptr
    int offset;
};

struct RawExpression {
    Refusal refusal;
    ::Node* tree;            // nullptr if refused
    List* names;             // of RawName, in text order
    List* walked;            // the same in the order of the tree
    List* calls;             // of RawCall
    List* comparisons;       // of RawComparison
    RawPart* condition;      // the whole
    List* conditions;        // of RawPart: each AND, OR and NOT that stands under something else, or is the whole
    List* literals;          // of RawLiteral; one text may be there several times
    List* ordered;           // of ColumnRef: operands of <, BETWEEN, GREATEST and the like; may repeat
    List* results;           // of ColumnRef: names whose value the whole expression may have
    List* notNull;           // of ColumnRef: operands of IS NOT NULL
    List* sqlValues;         // where current_user, localtime and the like stand
    List* types;             // of RawType
    List* queries;           // where EXISTS or a parenthesis with SELECT stands
    List* tables;            // of RawTable
    List* operators;         // of A_Expr
    bool isJsonPart;         // the whole is x -> key or x #> path
    const A_Const* literal;  // the whole expression, if it is one constant
    bool literalIsBoolean;   // that constant is TRUE or FALSE, whatever its node says
};

// Parses an expression in the server's encoding; never returns nullptr. Raises PostgreSQL's syntax error, with a cursor
// position; all other refusals are returned in `refusal`. Allocates in the current memory context.
RawExpression* parseExpression(const char* text);

// The text, as long as it was, with a '_' for each letter of a keyword that stands where a query names an entity: FROM
// Order. Without queries, the text itself.
char* withoutTakenWords(const char* text);
// In the tree of such a text, the names that were put aside.
void restoreTakenWords(const char* text, const char* masked, RawExpression* expression);
// Puts rows with these columns ("NULL::integer AS a, …") in the place of an entity, which need not be there yet.
void replaceTable(const RawTable* table, const char* columns);

// =, <>, <, > and the like.
bool isComparison(const char* name);

// The name that stands at an offset; nullptr if none does.
RawName* nameAt(const RawExpression* expression, int offset);

// The name of a type for generated code: format_type(), qualified unless it is in pg_catalog, whatever search_path is.
char* typeText(Oid type, int32 typmod);

}  // namespace specql::catalog
