#include "emit/due.hpp"

#include "emit/subject.hpp"
#include "resolve/due.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::emit {

namespace {

constexpr char keysVariable[] = "v_keys";

std::string timesName(const resolve::ActionInfo& action, const std::string& base) {
    return quoteName(action.schema, base + resolve::dueTimesSuffix);
}

std::string keyType(const resolve::DueTime& due) {
    return due.entity->column(due.entity->key)->type;
}

// Days are days of the zone, whatever the session's is.
std::string timeSql(const resolve::DueTime& due) {
    const std::string column = "t." + quoteName(due.column);
    const std::string zone = " AT TIME ZONE " + quoteLiteral(due.zone);
    const bool instant = resolve::endsWith(due.type, "with time zone");
    const std::string offset =
        due.offset.empty() ? "" : (due.isBefore ? " - interval " : " + interval ") + quoteLiteral(due.offset);
    if (instant) return offset.empty() ? column : "(" + column + zone + offset + ")" + zone;
    const std::string local = due.type == "date" ? column + "::timestamp" : column;
    return offset.empty() ? local + zone : "(" + local + offset + ")" + zone;
}

// The columns of the changed row, as they were and as they are.
std::string keyOf(const resolve::DueTime& due, Printer& printer, bool old) {
    resolve::Value value;
    value.kind = resolve::ValueKind::eventColumn;
    value.name = due.entity->key;
    value.type = keyType(due);
    value.old = old;
    value.strict = !old;
    return printer.print(value, true);
}

}  // namespace

FunctionText dueTimesFunction(const resolve::ResolvedAction& listener) {
    const resolve::DueTime& due = listener.binding.due;
    FunctionText function;
    function.schema = listener.info->schema;
    function.name = listener.base + resolve::dueTimesSuffix;
    function.returns = "TABLE (key " + keyType(due) + ", due_at timestamp with time zone)";
    function.language = "sql";
    function.attributes = "STABLE";
    function.definer = false;
    function.body = "SELECT t." + quoteName(due.entity->key) + ", " + timeSql(due) + "\nFROM " +
                    quoteName(due.entity->schema, due.entity->table) + " AS t\nWHERE isfinite(t." +
                    quoteName(due.column) + ");\n";
    function.comment = "When rows are due for action " + listener.info->name();
    return function;
}

// What the rows are by now counts, and not what the event tells: it may be handled once more, later.
std::string keepDueTimes(const resolve::ResolvedAction& listener, Printer& printer) {
    const resolve::ActionInfo& action = *listener.info;
    const std::string name = quoteLiteral(action.name());
    if (!listener.binding.hasRow()) return "PERFORM specql.set_due_rows(" + name + ", NULL, NULL, NULL);\n";
    const resolve::DueTime& due = listener.binding.due;
    const std::string now = keyOf(due, printer, false), before = keyOf(due, printer, true);
    const std::string keys = keysVariable;
    return keys + " := ARRAY(\n    SELECT DISTINCT k.key\n    FROM " +
           quoteName(action.schema, listener.base + "_rows") + "(1) AS e\n    CROSS JOIN LATERAL (VALUES (" + now +
           "), (" + before + ")) AS k(key)\n    WHERE k.key IS NOT NULL\n);\n" +
           "-- Rows that are gone, or have no time, are not due.\n" + "PERFORM specql.set_due_rows(" + name + ", " +
           keys + "::text[], array_agg(d.key::text), array_agg(d.due_at))\nFROM " + timesName(action, listener.base) +
           "() AS d\nWHERE d.key = ANY (" + keys + ");\n";
}

std::string dueKeysDeclaration(const resolve::DueTime& due) {
    return std::string(keysVariable) + " " + keyType(due) + "[];";
}

std::string dueTimeChanged(const resolve::DueTime& due) {
    const std::string column = quoteName(due.column);
    return "(" + changedSql(*due.entity, due.column) + " OR " + changedSql(*due.entity, due.entity->key) +
           ")\nAND (old." + column + " IS NOT NULL OR new." + column + " IS NOT NULL)";
}

std::string dueCommand(const resolve::ResolvedAction& action) {
    const resolve::ActionInfo& info = *action.info;
    const resolve::DueTime& due = action.binding.due;
    std::vector<std::string> args = {quoteLiteral(info.name()), quoteLiteral(action.binding.event),
                                     quoteLiteral(quoteName(due.entity->schema, due.entity->table)),
                                     quoteLiteral(timesName(info, action.base + "_due") + "()"),
                                     quoteLiteral(due.key())};
    if (info.spec->missed) args.push_back("missed => " + quoteLiteral(info.spec->missed.value));
    if (info.spec->backfill) args.push_back("backfill => " + quoteLiteral(info.spec->backfill.value));
    return "SELECT specql.register_due(\n    " + wrapList(args, 4) + ");";
}

}  // namespace specql::emit
