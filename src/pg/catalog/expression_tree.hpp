// One SQL scalar expression, read by PostgreSQL's own parser and looked over before anything else touches it: some
// trees crash or fool the analyser (a bare `*`), and others would do more than compute a value.
#pragma once

#include "pg/compat.hpp"
#include "text/diagnostic.hpp"

namespace specql::catalog {

// All of this is palloc'd plain data; offsets are bytes in the text that was parsed (in the server's encoding).

struct RawName {
    int offset;
    int index;                // in RawExpression::names
    List* fields;             // of String: "new", "stock_quantity"
    const char* literalPeer;  // type of a literal it is compared or computed with, or nullptr
    List* peers;              // of RawName: other operands of the same operator; may repeat
    const char* castTo;       // name::type: the type, or nullptr
    int addend;               // operators between it and the root, if all of them add to it or take away from it
};

struct RawCall {
    int offset;
    List* name;  // of String
    int args;
};

// Two sides; the names in them are ranges of RawExpression::walked.
struct RawComparison {
    int begin, middle, end;  // left: [begin, middle), right: [middle, end)
    bool leftIsName, rightIsName;
    bool otherOperator;  // && or @> or the like, between two names
    bool isEqual;        // =, as a part of the condition and not under NOT
};

// How a condition is put together, through CASE, COALESCE and IS NOT FALSE too. NOTs are gone: under one, `all` and
// `any` have changed places. `missing` holds where a value that it names is NULL, `never` nowhere.
struct RawPart {
    enum Kind { leaf, missing, never, all, any } kind;
    int begin, end;  // leaf, missing: its names, as a range of RawExpression::walked
    List* parts;     // all, any: of RawPart
};

// A text in quotes, and the names it stands beside: values that it is compared with, or that coalesce takes before it.
struct RawLiteral {
    int offset;
    const char* text;
    List* columns;   // of ColumnRef
    bool isResult;   // the whole expression may have this value
    bool isInstead;  // coalesce gives it where there is no value
};

struct RawType {
    TypeName* type;  // location in it; named without schema
};

struct RawOperator {
    int offset;  // written as OPERATOR(schema.op)
};

struct Refusal {
    Code code;  // none: not refused
    const char* message;
    const char* hint;  // may be nullptr
    int offset;
};

struct RawExpression {
    Refusal refusal;
    ::Node* tree;              // nullptr if refused
    List* names;               // of RawName, in text order
    List* walked;              // the same in the order of the tree
    List* calls;               // of RawCall
    List* comparisons;         // of RawComparison
    RawPart* condition;        // the whole
    List* conditions;          // of RawPart: each AND, OR and NOT that stands under something else, or is the whole
    List* literals;            // of RawLiteral; one text may be there several times
    List* ordered;             // of ColumnRef: what <, BETWEEN or GREATEST put in an order; may repeat
    List* results;             // of ColumnRef: what the whole expression may be
    List* notNull;             // of ColumnRef: of what IS NOT NULL is asked
    List* sqlValues;           // where current_user, localtime and the like stand
    List* types;               // of RawType
    List* qualifiedOperators;  // of RawOperator
    bool isJsonPart;           // the whole is x -> key or x #> path
    const A_Const* literal;    // the whole expression, if it is one constant
    bool literalIsBoolean;     // that constant is TRUE or FALSE, whatever its node says
};

// Never returns nullptr. Raises PostgreSQL's syntax error (with a cursor position) if the text is no expression at all;
// everything else that is refused comes back in `refusal`. Allocates in the current memory context.
RawExpression* parseExpression(const char* text);

// =, <>, <, > and the like.
bool isComparison(const char* name);

// The name that stands at an offset; nullptr if none does.
RawName* nameAt(const RawExpression* expression, int offset);

// The name of a type for generated code: format_type(), qualified unless it is in pg_catalog, whatever search_path is.
char* typeText(Oid type, int32 typmod);

}  // namespace specql::catalog
