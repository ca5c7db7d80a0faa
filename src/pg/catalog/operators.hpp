// Operators that are found outside of pg_catalog, as those of citext or hstore are: what must be written for them where
// only pg_catalog is searched.
#pragma once

#include "pg/catalog/analysed_tree.hpp"

namespace specql::catalog {

// Adds what must stand in the place of the operator to result->qualifications. `written` is the operator as the parser
// read it from `text`, nullptr if it comes from something else; `array` is the type of the right side of an analysed
// IN. False if no operator with a schema can be written there, as for IS DISTINCT FROM.
bool qualifyOperator(const A_Expr* written, Oid oid, Oid array, const char* text, Analysed* result);

// OPERATOR() binds as no other operator does: is `text` with these operators still the expression that it was?
bool sameWithOperators(const char* text, const List* qualifications);

}  // namespace specql::catalog
