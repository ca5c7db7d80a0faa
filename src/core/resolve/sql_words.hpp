// Words that have a value in SQL whatever fields there are, and keywords that a field is called by.
#pragma once

#include <string>

#include "resolve/names.hpp"

namespace specql::resolve {

class SqlWords : ActionPart {
public:
    SqlWords(ActionContext& context, const EventScope& event, const Names& names)
        : ActionPart(context), event_(event), names_(names) {}

    // Reports words that are a field too, and says who current_user is in a handler.
    void checkSqlValues(int expression, const Scope& scope);
    // The field that a word of SQL could mean too; empty if there is none.
    std::string fieldToo(const SqlValueUse& use, const Scope& scope) const;
    // PostgreSQL's parser stumbles over a field that is called like a keyword: how to write it; empty if there is none.
    std::string keywordHint(int expression, const Scope& scope) const;

private:
    // new.x, "x": how a field is written whose name is a word of SQL.
    std::string writtenOut(const Scope& scope, const std::string& name) const;

    const EventScope& event_;
    const Names& names_;
};

}  // namespace specql::resolve
