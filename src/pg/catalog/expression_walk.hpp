// The walk over a raw parse tree, shared by the files that read expressions.
#pragma once

#include "pg/catalog/expression_tree.hpp"

namespace specql::catalog {

struct Walk {
    RawExpression* result;
    List* groups;
    List* casts;      // of TypeCast over a ColumnRef
    bool covered;     // the operands of this arithmetic were collected with those of its parent
    bool direct;      // the next node is the condition itself, or a part of it
    bool negated;     // with an odd number of NOTs around it
    int query;        // the query that is walked, counted from 1; 0: none
    int queryOffset;  // and where it stands
    RawPart* part;    // result of the last walkCondition()
};

// Walks a node and its children, and fills walk->result. True if something was refused: the walk must stop.
bool walkNode(::Node* node, Walk* walk);
// Notes the names and literals in two operands of one operator, so that they can suggest types for each other.
void addGroup(Walk* walk, ::Node* left, ::Node* right, bool inArithmetic);

// A query in the expression (query_tree.cpp).
bool walkQuery(SubLink* link, Walk* walk);

// --- how a condition is put together (condition_tree.cpp) ---------------------------------------------------------

// Walks the condition or a part of it; the result is walk->part.
bool walkCondition(::Node* node, bool negated, Walk* walk);
// AND, OR and NOT; under NOT, AND becomes OR and OR becomes AND. `direct`: as in Walk, here and below.
bool walkBoolean(BoolExpr* expression, bool direct, Walk* walk);
// CASE: any of its results holds, together with the conditions before it.
bool walkCase(CaseExpr* choice, bool direct, Walk* walk);
// COALESCE: any of its values holds, if those before it are NULL.
bool walkCoalesce(CoalesceExpr* choice, bool direct, Walk* walk);
// IS TRUE and the like: x IS NOT FALSE holds if x holds or is NULL.
bool walkTest(BooleanTest* test, bool direct, Walk* walk);

}  // namespace specql::catalog
