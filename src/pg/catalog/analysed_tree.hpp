// An expression that PostgreSQL has analysed: what generated code must know of it, and what is refused in it.
#pragma once

#include "pg/catalog/expression_tree.hpp"
#include "pg/compat.hpp"
#include "text/diagnostic.hpp"

namespace specql::catalog {

// Plain data in the current memory context. Offsets are bytes in the server's text, other texts are in UTF-8.

// What is said against the expression.
struct Finding {
    Code code;  // none: nothing against it
    const char* message;
    const char* hint;
    int offset;
};

// A function, type or operator that is named without its schema, and what names it with it.
struct Qualification {
    int offset;
    int length;  // 0: as long as the name that stands there
    const char* text;
    bool isOperator;  // written as OPERATOR(schema.op)
};

// A constant like 'now'.
struct Moment {
    int offset;
    const char* text;
    const char* hint;
};

struct Analysed {
    Finding finding;
    const char* type;
    Oid typeOid;
    bool isVolatile;
    bool isImmutable;
    bool readsRows;
    List* qualifications;  // of Qualification
    List* moments;         // of Moment
};

// Notes what is said against the expression; always true. The second says what the table of diagnostics says.
bool refuse(Analysed* result, Code code, int offset, const char* message, const char* hint);
bool refuse(Analysed* result, Code code, int offset);

// Whether something in the tree is refused. If not, the result has the qualified names of what is not in pg_catalog.
// `text` is what was parsed; `aggregates`: it may call some.
bool checkTree(::Node* tree, const RawExpression* raw, const char* text, bool aggregates, Analysed* result);

// Notes how far the value of the tree depends on time and on rows. `text` is what was parsed.
void describeTree(::Node* tree, const char* text, Analysed* result);

// The text between the quotes at this place, in small letters; nullptr if none begins there.
char* quotedText(const char* at);

// The hint for a text like 'now' or 'tomorrow', from which a time is read: for the first such word. nullptr if there is
// none.
const char* momentHint(const char* text);

}  // namespace specql::catalog
