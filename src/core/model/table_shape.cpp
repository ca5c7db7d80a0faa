#include "model/table_shape.hpp"

#include <algorithm>

#include "text/quote.hpp"

namespace specql {

namespace {

bool same(const ShapeColumn& a, const ShapeColumn& b) {
    return a.name == b.name && a.sameDefinition(b) && a.comment == b.comment;
}

bool same(const ShapeCheck& a, const ShapeCheck& b) {
    return a.name == b.name && a.condition == b.condition;
}

template <typename Part>
bool same(const std::vector<Part>& a, const std::vector<Part>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const Part& one, const Part& other) { return same(one, other); });
}

std::string member(const char* name, const std::string& value) {
    return value.empty() ? "" : std::string(", \"") + name + "\": " + quoteJson(value);
}

std::string columnJson(const ShapeColumn& column) {
    return "{\"name\": " + quoteJson(column.name) + ", \"type\": " + quoteJson(column.type) +
           member("default", column.defaultValue) + (column.notNull ? ", \"not_null\": true" : "") +
           member("comment", column.comment) + member("computed", column.computed) +
           member("identity", column.identity) + "}";
}

}  // namespace

std::string ShapeColumn::sql() const {
    return quoteName(name) + " " + type + (defaultValue.empty() ? "" : " DEFAULT " + defaultValue) +
           (computed.empty() ? "" : " GENERATED ALWAYS AS (" + computed + ") STORED") +
           (identity.empty() ? "" : " " + identitySql()) + (notNull ? " NOT NULL" : "");
}

std::string ShapeColumn::identitySql() const {
    return std::string("GENERATED ") + (identity == "always" ? "ALWAYS" : "BY DEFAULT") + " AS IDENTITY";
}

bool ShapeColumn::sameDefinition(const ShapeColumn& other) const {
    return type == other.type && defaultValue == other.defaultValue && notNull == other.notNull &&
           computed == other.computed && identity == other.identity;
}

std::string ShapeCheck::sql() const {
    return "CONSTRAINT " + quoteName(name) + " CHECK (" + condition + ")";
}

const ShapeColumn* TableShape::column(const std::string& name) const {
    for (const ShapeColumn& candidate : columns)
        if (candidate.name == name) return &candidate;
    return nullptr;
}

const ShapeCheck* TableShape::check(const std::string& name) const {
    for (const ShapeCheck& candidate : checks)
        if (candidate.name == name) return &candidate;
    return nullptr;
}

std::vector<std::string> TableShape::comments(const std::string& identity, const TableShape& before) const {
    std::vector<std::string> commands;
    auto add = [&](const std::string& what, const std::string& wanted, const std::string& known) {
        if (!wanted.empty() && wanted != known)
            commands.push_back("COMMENT ON " + what + " IS " + quoteLiteral(wanted) + ";");
    };
    add("TABLE " + identity, comment, before.comment);
    for (const ShapeColumn& wanted : columns) {
        const ShapeColumn* known = before.column(wanted.name);
        add("COLUMN " + identity + "." + quoteName(wanted.name), wanted.comment, known ? known->comment : "");
    }
    return commands;
}

std::string TableShape::json() const {
    std::vector<std::string> columnTexts, checkTexts, keyTexts;
    for (const std::string& column : key)
        keyTexts.push_back(quoteJson(column));
    for (const ShapeColumn& column : columns)
        columnTexts.push_back(columnJson(column));
    for (const ShapeCheck& check : checks)
        checkTexts.push_back("{\"name\": " + quoteJson(check.name) + member("condition", check.condition) + "}");
    return std::string("{\"adopted\": ") + (adopted ? "true" : "false") +
           ", \"implied\": " + (implied ? "true" : "false") + ", \"columns\": [" + join(columnTexts, ", ") +
           "], \"checks\": [" + join(checkTexts, ", ") + "], \"key\": [" + join(keyTexts, ", ") + "]" +
           member("partition", partition) + member("comment", comment) + "}";
}

bool operator==(const TableShape& a, const TableShape& b) {
    return a.adopted == b.adopted && a.key == b.key && a.partition == b.partition && a.comment == b.comment &&
           same(a.columns, b.columns) && same(a.checks, b.checks);
}

}  // namespace specql
