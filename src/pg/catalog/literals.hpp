// Finds which text literals are compared with which names, so that the core can check whether a name can have such a
// value.
#pragma once

#include "pg/catalog/expression_tree.hpp"

namespace specql::catalog {

// Adds to expression->literals the texts that this node (a comparison, NULLIF, CASE … WHEN or COALESCE) compares with
// names, and to expression->ordered the names that it compares by order. Ignores other nodes.
void collectLiterals(::Node* node, RawExpression* expression);

// Adds the texts and names whose value the whole expression may have.
void collectResults(::Node* tree, RawExpression* expression);

}  // namespace specql::catalog
