// Operators that are found outside of pg_catalog, as those of citext or hstore are: what must be written for them where
// only pg_catalog is searched.
#pragma once

#include "pg/catalog/analysed_tree.hpp"

namespace specql::catalog {

// (a, b) = (c, d), whose columns may have different operators, and only one place for them.
bool comparesRows(const A_Expr* written);

// PostgreSQL compares an element of IN that has columns in it by itself, and the others as one array of one type. Is
// this an IN whose elements would be compared by different operators for that, as in email IN (name, 'x') with a
// citext?
bool isMixedIn(const A_Expr* written, const ScalarArrayOpExpr* comparison);

// Adds what must stand in the place of the operator to result->qualifications. `written` is the operator as the parser
// read it from `text`, nullptr if it comes from something else; `array` is the type of the right side of an analysed
// IN. False if no operator with a schema can be written there, as for IS DISTINCT FROM.
bool qualifyOperator(const A_Expr* written, Oid oid, Oid array, const char* text, Analysed* result);

// OPERATOR() binds as no other operator does: is `text` with these operators still the expression that it was?
bool sameWithOperators(const char* text, const List* qualifications);

}  // namespace specql::catalog
