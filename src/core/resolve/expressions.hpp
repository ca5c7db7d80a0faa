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
