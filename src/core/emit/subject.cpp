#include "emit/subject.hpp"

#include <vector>

#include "emit/due.hpp"
#include "resolve/resolver.hpp"
#include "text/quote.hpp"

namespace specql::emit {

namespace {

// A time of an instant is written in one zone, whatever the session's is.
std::string keyValue(unsigned ops, const std::string& column, const std::string& type) {
    std::string key = quoteName(column);
    std::string value = !(ops & resolve::opDelete) ? "new." + key
                        : ops == resolve::opDelete ? "old." + key
                                                   : "coalesce(new." + key + ", old." + key + ")";
    bool instant = resolve::startsWith(type, "timestamp") && resolve::endsWith(type, "with time zone");
    return instant ? "(" + value + " AT TIME ZONE 'UTC')" : value;
}

}  // namespace

std::string subjectSql(const resolve::Binding& binding) {
    const resolve::EntityInfo& entity = *binding.entity;
    if (!binding.hasRow()) return "NULL::text";
    if (!entity.key.empty()) {
        const std::string& type = entity.column(entity.key)->type;
        std::string key = keyValue(binding.ops, entity.key, type);
        // JSON's way to write times does not follow DateStyle.
        bool time = type == "date" || resolve::startsWith(type, "timestamp");
        return time ? "(to_jsonb(" + key + ") #>> '{}')" : key + "::text";
    }
    std::vector<std::string> parts;
    for (const std::string& column : entity.keyColumns) {
        const resolve::ColumnInfo* declared = entity.column(column);
        parts.push_back(
            keyValue(binding.ops, column, declared ? declared->type : entity.present->column(column)->type));
    }
    return parts.empty() ? "NULL::text" : "jsonb_build_array(" + join(parts, ", ") + ")::text";
}

std::string anyChangedSql(const resolve::Binding& binding) {
    std::vector<std::string> changes;
    for (const std::string& column : binding.changed())
        changes.push_back(changedSql(*binding.entity, column));
    return join(changes, " OR ");
}

std::string eventSql(const resolve::Binding& binding) {
    if (binding.due && binding.hasRow()) return dueTimeChanged(binding.due);
    std::string changed = anyChangedSql(binding);
    if (!binding.value.empty())
        return (changed.empty() ? "" : changed + " AND ") + "new." + quoteName(binding.valueColumn) + " = " +
               quoteLiteral(binding.value);
    if (changed.empty() || binding.ops == resolve::opUpdate) return changed;
    const std::string known = quoteName(resolve::neverNull(*binding.entity));
    std::string sql;
    if (binding.ops & resolve::opInsert) sql += "old." + known + " IS NULL OR ";
    if (binding.ops & resolve::opDelete) sql += "new." + known + " IS NULL OR ";
    return sql + changed;
}

std::string operationSql(const resolve::Binding& binding) {
    const std::vector<std::string>& words = resolve::operationWords(binding.ops);
    if (words.size() == 1) return quoteLiteral(words.front()) + "::text";
    const std::string known = quoteName(resolve::neverNull(*binding.entity));
    std::string sql = "CASE", last = words.back();
    if (binding.ops & resolve::opInsert) sql += " WHEN old." + known + " IS NULL THEN 'insert'";
    if ((binding.ops & resolve::opDelete) && (binding.ops & resolve::opUpdate)) {
        sql += " WHEN new." + known + " IS NULL THEN 'delete'";
        last = "update";
    }
    return sql + " ELSE " + quoteLiteral(last) + " END";
}

std::string changedSql(const resolve::EntityInfo& entity, const std::string& column) {
    const std::string before = "old." + quoteName(column), after = "new." + quoteName(column);
    if (entity.column(column)->hasEquality) return before + " IS DISTINCT FROM " + after;
    // Byte by byte: of json, point and the like nothing says when two values are equal.
    return "record_image_ne(ROW(" + before + "), ROW(" + after + "))";
}

}  // namespace specql::emit
