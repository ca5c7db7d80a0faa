#include "emit/contexts.hpp"

#include "resolve/privacy.hpp"
#include "text/quote.hpp"

namespace specql::emit {

namespace {

// The message, as SQL. It tells the key, unless that is a private field.
std::string namesNoRow(const resolve::ResolvedAction& action, const resolve::Context& context, const std::string& key) {
    const resolve::EntityInfo* holder = nullptr;
    if (context.key.kind == resolve::ValueKind::eventColumn) holder = action.binding.entity;
    if (context.key.kind == resolve::ValueKind::context)
        holder = action.contexts[static_cast<size_t>(context.key.context)].entity;
    const resolve::ColumnInfo* column = holder ? holder->column(context.key.name) : nullptr;
    if (column && resolve::isPrivate(*column))
        return quoteLiteral(context.key.name + " names no row of " + context.entity->shown());
    return "format('" + context.key.name + " %s names no row of " + context.entity->shown() + "', coalesce(" + key +
           "::text, 'null'))";
}

}  // namespace

std::string readContexts(const resolve::ResolvedAction& action, Printer& printer) {
    std::string sql;
    for (const resolve::Context& context : action.contexts) {
        std::vector<std::string> columns;
        for (const std::string& column : context.columns)
            columns.push_back("t." + quoteName(column));
        std::string key = printer.print(context.key, false);
        // A payload promises the row; a column of a table may be NULL.
        bool promised = action.binding.custom && context.key.kind == resolve::ValueKind::payload;
        const std::string owed = promised ? "" : printer.owed(context);
        const bool due = promised && action.binding.isDue();
        const bool mayBeGone = !promised && owed.empty();
        if (mayBeGone && columns.empty() && !context.locked) continue;
        sql += "-- the row of " + context.entity->shown() + " that " + (due ? "is due" : context.path + " leads to") +
               ", as it is now" + (context.locked ? ", locked because it is updated below" : "") + "\n" +
               (columns.empty() ? "PERFORM 1\n"
                                : "SELECT " + join(columns, ", ") + " INTO " + contextVariable(context) + "\n") +
               "FROM " + quoteName(context.entity->schema, context.entity->table) + " AS t\n" + "WHERE t." +
               quoteName(context.entity->key) + " = " + key + (context.locked ? "\nFOR NO KEY UPDATE" : "") + ";\n";
        if (mayBeGone) continue;
        // A row that is gone is not due any more.
        if (due) {
            sql += "CONTINUE WHEN NOT FOUND;\n";
            continue;
        }
        sql += promised ? "IF NOT FOUND THEN\n" : "IF NOT FOUND AND " + owed + " THEN\n";
        sql += "    RAISE EXCEPTION USING ERRCODE = 'SQ201',\n        MESSAGE = " + namesNoRow(action, context, key) +
               ";\nEND IF;\n";
    }
    return sql;
}

}  // namespace specql::emit
