// Expressions bound name by name.
#pragma once

#include <string>

#include "resolve/payload_types.hpp"
#include "resolve/sql_words.hpp"
#include "resolve/word_checks.hpp"

namespace specql::resolve {

class ExpressionBinder : ActionPart {
public:
    ExpressionBinder(ActionContext& context, EventScope& event, PayloadTypes& types, Names& names, SqlWords& sqlWords,
                     WordChecks& words)
        : ActionPart(context), event_(event), types_(types), names_(names), sqlWords_(sqlWords), words_(words) {}

    // `target`: the type that is wanted, empty if any will do; `column`: that the value is for, if it is for one.
    // Without a reference, and after an error, the result has no values.
    BoundExpression bind(spec::ExpressionRef ref, const std::string& target, const Scope& scope,
                         const ColumnInfo* column = nullptr);

private:
    // The entities that queries look at. False if one is none.
    bool bindTables(BoundExpression& bound);
    Value queryColumn(const BoundExpression& bound, size_t table, const ColumnInfo& column) const;
    void suggest(const BoundExpression& bound, const NameUse& use, NameProblem& problem) const;
    bool lookupInQuery(const BoundExpression& bound, const Scope& scope, const NameUse& use, Value& value,
                       NameProblem& problem);
    // `named`: the entities of the query that the first part of the name means; `having`: those with such a column.
    bool lookupQualifiedInQuery(const BoundExpression& bound, const Scope& scope, const NameUse& use,
                                const std::vector<size_t>& named, const std::vector<size_t>& having, Value& value,
                                NameProblem& problem);
    // What a name of several parts may have meant: a key of JSON, or a row that is not read here.
    std::string partHint(const NameUse& use, const Scope& scope) const;
    void unknownName(int expression, const NameUse& use, const Scope& scope, const ColumnInfo* column,
                     const NameProblem& problem);
    void refuseTakenRef(Pos pos, const NameUse& use, const Scope& scope);

    EventScope& event_;
    PayloadTypes& types_;
    Names& names_;
    SqlWords& sqlWords_;
    WordChecks& words_;
};

}  // namespace specql::resolve
