// The walk over a raw parse tree, shared by the files that read expressions.
#pragma once

#include "pg/catalog/expression_tree.hpp"

namespace specql::catalog {

struct Walk {
    RawExpression* result;
    List* groups;
    List* casts;    // of TypeCast over a ColumnRef
    bool covered;   // the parent's operands were gathered through arithmetic, so a child's need not be
    bool direct;    // the truth of the node to be walked is that of the condition, or of a part of it
    bool negated;   // and an odd number of NOTs stands around it
    RawPart* part;  // of the node that was walked last as a part of a condition
};

// True: refused, stop.
bool walkNode(::Node* node, Walk* walk);
// Notes names and literals that are operands of one operator, whose sides these are.
void addGroup(Walk* walk, ::Node* left, ::Node* right, bool inArithmetic);

// --- how a condition is put together (condition_tree.cpp) ---------------------------------------------------------

// A node whose truth is that of the condition, or of a part of it; what it is comes back in walk->part.
bool walkCondition(::Node* node, bool negated, Walk* walk);
// Under NOT an AND is an OR of what is under it, and the other way round. `direct`: it is such a node.
bool walkBoolean(BoolExpr* expression, bool direct, Walk* walk);
// The alternatives of a CASE: its results, each with what was asked before it.
bool walkCase(CaseExpr* choice, bool direct, Walk* walk);
// The alternatives of a COALESCE: its values, each where those before it are missing.
bool walkCoalesce(CoalesceExpr* choice, bool direct, Walk* walk);
// x IS NOT FALSE holds where x does, and where it is missing.
bool walkTest(BooleanTest* test, bool direct, Walk* walk);

}  // namespace specql::catalog
