// Which texts in quotes stand beside which names of an expression, so that the core can tell whether they are values
// that the name can have.
#pragma once

#include "pg/catalog/expression_tree.hpp"

namespace specql::catalog {

// Notes the texts that a comparison, NULLIF, CASE … WHEN or COALESCE sets beside names, and the names that a node puts
// in an order. Other nodes say nothing.
void noteLiterals(::Node* node, RawExpression* expression);

// Notes the texts and the names that the whole expression may have as its value.
void noteResults(::Node* tree, RawExpression* expression);

}  // namespace specql::catalog
