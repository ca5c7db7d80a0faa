// What WHERE, SET and ORDER BY of a step say of the rows that it writes: the checks after which a sentence means what a
// person reads in it, or is an error.
#pragma once

#include <vector>

#include "resolve/sql_words.hpp"

namespace specql::resolve {

class WhereChecks : ActionPart {
public:
    WhereChecks(ActionContext& context, const EventScope& event, Names& names, const SqlWords& sqlWords)
        : ActionPart(context), event_(event), names_(names), sqlWords_(sqlWords) {}

    // `bound`: VIA says which row it is, so WHERE need not.
    void checkWhere(const BoundExpression& where, const Scope& scope, bool bound);
    // Of SET: a column that stands twice, where the event has something of that name.
    void checkValue(const BoundExpression& bound, const Scope& scope);
    void checkOrder(const BoundExpression& bound, const Scope& scope);
    // Keys of rows of different entities are never the same.
    void checkAssignedRow(const BoundAssignment& assignment, const ColumnInfo& column, const EntityInfo& target,
                          const Scope& scope);
    void checkSelfAssignment(const BoundAssignment& assignment, const ColumnInfo& column, const Scope& scope);

private:
    // These return false if something was reported.
    bool checkMixedSide(const BoundExpression& where, const std::vector<int>& side, const Scope& scope);
    bool checkComparison(const BoundExpression& where, const ComparisonUse& comparison, const Scope& scope);
    bool checkTwice(const BoundExpression& bound, const std::vector<int>& names, const Scope& scope);
    bool checkParts(const BoundExpression& where, const ConditionPart& part, const Scope& scope);
    // Whose row a value is the key of; null if it is no key, or of a table whose keys may be those of another.
    const EntityInfo* rowOf(const Value& value, const Scope& scope) const;

    const EventScope& event_;
    Names& names_;
    const SqlWords& sqlWords_;
};

}  // namespace specql::resolve
