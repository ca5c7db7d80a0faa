#include "emit/printer.hpp"

#include <algorithm>

#include "emit/subject.hpp"
#include "resolve/event_scope.hpp"
#include "resolve/row_json.hpp"
#include "text/duration.hpp"
#include "text/quote.hpp"

namespace specql::emit {

namespace {

struct Splice {
    size_t offset;
    size_t length;
    std::string sql;
};

std::string splice(const std::string& text, std::vector<Splice> splices) {
    std::sort(splices.begin(), splices.end(), [](const Splice& a, const Splice& b) { return a.offset < b.offset; });
    std::string result;
    size_t at = 0;
    for (const Splice& piece : splices) {
        if (piece.offset < at) continue;
        result.append(text, at, piece.offset - at).append(piece.sql);
        at = piece.offset + piece.length;
    }
    return result.append(text, at, std::string::npos);
}

std::vector<Splice> tables(const resolve::World& world, const resolve::BoundExpression& bound, const PrintTable& sql) {
    std::vector<Splice> splices;
    const std::vector<TableUse>& uses = world.facts(bound.expression).tables;
    for (size_t i = 0; i < uses.size() && i < bound.tables.size(); i++)
        splices.push_back({uses[i].offset, uses[i].length, sql(i) + " AS " + queryAlias(i)});
    return splices;
}

std::vector<Splice> qualified(const resolve::Resolver& resolver, const resolve::BoundExpression& bound) {
    std::vector<Splice> splices;
    if (bound.request < 0 || !resolver.results()[bound.request].ok) return splices;
    for (const QualifiedUse& use : resolver.results()[bound.request].qualified)
        splices.push_back({use.offset, use.length, use.sql});
    return splices;
}

constexpr const char* reserved[] = {"branch", "branches", "subject",    "data",       "old",
                                    "new",    "event_id", "event_type", "event_time", "event_data"};

// The text of parts without values.
std::string saidOf(const Text& text, const spec::Template& parts) {
    std::string said = parts.empty() ? text.value : "";
    for (const spec::TemplatePart& part : parts)
        said += part.text;
    return said;
}

bool hasValues(const spec::Template& parts) {
    return std::any_of(parts.begin(), parts.end(), [](const spec::TemplatePart& part) { return bool(part.value); });
}

}  // namespace

bool needsParentheses(const std::string& sql) {
    int depth = 0;
    char quote = 0;
    for (char c : sql) {
        if (quote) {
            if (c == quote) quote = 0;
            continue;
        }
        if (c == '\'' || c == '"')
            quote = c;
        else if (c == '(' || c == '[')
            depth++;
        else if (c == ')' || c == ']')
            depth--;
        else if (depth == 0 && c == ' ')
            return true;
    }
    return false;
}

std::string printInText(const resolve::Resolver& resolver, const resolve::BoundExpression& bound,
                        const std::string& printed) {
    if (bound.request < 0) return printed;
    const std::string& type = resolver.results()[static_cast<size_t>(bound.request)].type;
    if (type == "boolean") return (needsParentheses(printed) ? "(" + printed + ")" : printed) + "::text";
    bool isTime = type == "date" || resolve::startsWith(type, "timestamp");
    return isTime ? "to_jsonb(" + printed + ") #>> '{}'" : printed;
}

std::string printMessage(const Text& text, const spec::Template& parts, const std::vector<std::string>& printed) {
    if (!hasValues(parts)) return quoteLiteral(saidOf(text, parts));
    std::string format;
    std::vector<std::string> arguments;
    for (size_t i = 0; i < parts.size(); i++) {
        for (char c : parts[i].text)
            format += c == '%' ? "%%" : std::string(1, c);
        if (!parts[i].value) continue;
        format += "%s";
        arguments.push_back(printed[i]);
    }
    return "format(" + quoteLiteral(format) + ", " + join(arguments, ", ") + ")";
}

std::string printInterval(const Text& length) {
    return quoteLiteral(std::to_string(durationMs(length.value)) + " ms");
}

std::string printChannel(const Text& text, const spec::Template& parts, const std::vector<std::string>& printed) {
    if (!hasValues(parts)) return quoteLiteral(saidOf(text, parts));
    std::vector<std::string> pieces;
    for (size_t i = 0; i < parts.size(); i++) {
        if (!parts[i].text.empty()) pieces.push_back(quoteLiteral(parts[i].text));
        if (parts[i].value)
            pieces.push_back((needsParentheses(printed[i]) ? "(" + printed[i] + ")" : printed[i]) + "::text");
    }
    return join(pieces, " || ");
}

std::string variableName(const std::string& name) {
    constexpr const char* own[] = {"count",       "item",           "number",       "before",         "errors",
                                   "handled",     "failed_element", "failed_key",   "failed_message", "taken",
                                   "missing",     "event",          "row",          "changed",        "each",
                                   "batch_field", "batch_column",   "batch_places", "batch_elements", "batch_from",
                                   "batch_to",    "batch_size",     "batch_error",  "outcome",        "record"};
    bool collides = std::find(std::begin(own), std::end(own), name) != std::end(own);
    return quoteName("v_" + name + (collides ? "_" : ""));
}

std::string payloadSql(const resolve::ResolvedAction& action, const std::string& data, const std::string& key,
                       const std::string& type) {
    // A JSON value must stay JSON, so it is taken by -> and not as text by ->>.
    bool isJson = type == "jsonb" || type == "json";
    const char* function = isJson                                ? "specql.payload_json"
                           : !resolve::elementType(type).empty() ? "specql.payload_array"
                                                                 : "specql.payload";
    std::string sql = std::string(function) + "(" + data + ", " + quoteLiteral(key) + ")";
    if (action.info->spec->batch.optional.count(key))
        sql = "CASE WHEN " + data + " ? " + quoteLiteral(key) + " THEN " + sql + " END";
    const bool cast = type != "text" && type != "jsonb";
    return cast ? (needsParentheses(sql) ? "(" + sql + ")" : sql) + "::" + type : sql;
}

std::string contextVariable(const resolve::Context& context) {
    return variableName(context.variable);
}

std::string queryAlias(size_t table) {
    return "q" + std::to_string(table + 1);
}

std::string printQueryColumn(const resolve::Value& value) {
    return queryAlias(static_cast<size_t>(value.context)) + "." + quoteName(value.name);
}

PrintTable printTables(const resolve::BoundExpression& bound) {
    return [&bound](size_t table) { return quoteName(bound.tables[table]->schema, bound.tables[table]->table); };
}

std::string printBound(const resolve::World& world, const resolve::Resolver& resolver,
                       const resolve::BoundExpression& bound, size_t begin, size_t end,
                       const std::function<std::string(const resolve::Value&)>& name, const PrintTable& table) {
    std::vector<Splice> splices;
    if (table)
        for (Splice& piece : tables(world, bound, table))
            if (piece.offset >= begin && piece.offset < end)
                splices.push_back({piece.offset - begin, piece.length, piece.sql});
    for (Splice& piece : qualified(resolver, bound))
        if (piece.offset >= begin && piece.offset < end)
            splices.push_back({piece.offset - begin, piece.length, piece.sql});
    const ExpressionFacts& facts = world.facts(bound.expression);
    for (size_t i = 0; i < bound.values.size(); i++) {
        const NameUse& use = facts.names[i];
        if (use.offset >= begin && use.offset < end)
            splices.push_back({use.offset - begin, use.length, name(bound.values[i])});
    }
    return splice(world.expressionText(bound.expression).substr(begin, end - begin), std::move(splices));
}

std::string printPlain(const resolve::World& world, const resolve::Resolver& resolver,
                       const resolve::BoundExpression& bound) {
    return printBound(
        world, resolver, bound, 0, world.expressionText(bound.expression).size(),
        [](const resolve::Value& value) { return quoteName(value.name); }, nullptr);
}

std::string Printer::print(const resolve::BoundExpression& bound, bool operand) {
    const ExpressionFacts& facts = world_.facts(bound.expression);
    const std::string& text = world_.expressionText(bound.expression);
    std::vector<Splice> splices = qualified(resolver_, bound);
    for (Splice& piece : tables(world_, bound, printTables(bound)))
        splices.push_back(std::move(piece));
    for (size_t i = 0; i < bound.values.size(); i++) {
        const NameUse& use = facts.names[i];
        bool isRow = place_ == Place::handler && bound.values[i].kind == resolve::ValueKind::eventRow;
        if (std::optional<resolve::RowJson> json = isRow ? resolve::rowJson(facts, text, use) : std::nullopt) {
            // The event has the row as JSON, with a note of what it could not carry.
            splices.push_back({json->offset, json->length,
                               "nullif(" + meta("event_data", "jsonb") + " -> '" +
                                   (bound.values[i].old ? "old" : "new") + "', 'null')" +
                                   (json->isJsonb ? "" : "::json")});
            continue;
        }
        bool whole = use.offset == 0 && use.length == text.size() && !operand;
        splices.push_back({use.offset, use.length, print(bound.values[i], whole)});
    }
    std::string sql = splice(text, std::move(splices));
    return operand && needsParentheses(sql) ? "(" + sql + ")" : sql;
}

std::string Printer::use(EventColumn column) {
    for (const EventColumn& known : used_)
        if (known.captureSql == column.captureSql && known.rowsSql == column.rowsSql && known.type == column.type &&
            (!column.captureSql.empty() || !column.rowsSql.empty() || known.name == column.name))
            return eventAlias + "." + quoteName(known.name);
    auto taken = [&](const std::string& name) {
        return std::any_of(used_.begin(), used_.end(), [&](const EventColumn& known) { return known.name == name; });
    };
    while (taken(column.name))
        column.name += "_";
    used_.push_back(column);
    return eventAlias + "." + quoteName(column.name);
}

// A column of the event's row over old and new; after a delete the new row is not there.
std::string Printer::captured(const std::string& column, bool old, bool strict) const {
    const resolve::Binding& binding = action_.binding;
    std::string name = quoteName(column);
    if (old) return "old." + name;
    if (strict || !(binding.ops & resolve::opDelete)) return "new." + name;
    if (binding.ops == resolve::opDelete) return "old." + name;
    std::string key = quoteName(binding.entity->key.empty() ? column : binding.entity->key);
    if (column == binding.entity->key) return "coalesce(new." + name + ", old." + name + ")";
    return "CASE WHEN new." + key + " IS NULL THEN old." + name + " ELSE new." + name + " END";
}

std::string Printer::eventColumn(const std::string& column, const std::string& type, bool old, bool strict) {
    if (place_ == Place::capture) return captured(column, old, strict);
    std::string name = old && action_.binding.ops != resolve::opDelete ? "old_" + column
                       : strict                                        ? "new_" + column
                                                                       : column;
    if (std::find(std::begin(reserved), std::end(reserved), name) != std::end(reserved)) name = "row_" + name;
    return use({name, type, captured(column, old, strict), ""});
}

std::string Printer::meta(const std::string& name, const std::string& type) {
    return use({name, type, "", ""});
}

std::string Printer::timedOut() {
    return use({"timed_out", "boolean", "", "(r.event_data ? 'timed_out')"});
}

// A value of a match stands in its event's data.
std::string Printer::ofMatch(const std::string& name, const std::string& type) {
    if (type == "uuid[]")
        return use({name, type, "",
                    "ARRAY(SELECT j.value FROM jsonb_array_elements_text(r.event_data -> " + quoteLiteral(name) +
                        ") AS j)::uuid[]"});
    return use({name, type, "", "(r.event_data ->> " + quoteLiteral(name) + ")" + (type == "text" ? "" : "::" + type)});
}

// What came back lies beside the event's data.
std::string Printer::ofAnswer(const std::string& name, const std::string& type) {
    std::string answer = "r.event_data -> 'specql.answer' ";
    if (type == "jsonb") return use({name, type, "", "nullif(" + answer + "-> " + quoteLiteral(name) + ", 'null')"});
    return use(
        {name, type, "", "(" + answer + "->> " + quoteLiteral(name) + ")" + (type == "text" ? "" : "::" + type)});
}

std::string Printer::print(const resolve::Value& value, bool whole) {
    if (std::string sql = ownSql ? ownSql(value) : ""; !sql.empty()) return sql;
    switch (value.kind) {
        case resolve::ValueKind::eventColumn: return eventColumn(value.name, value.type, value.old, value.strict);
        case resolve::ValueKind::eventChange: {
            const std::string& type = action_.binding.entity->column(value.name)->type;
            std::string sql =
                eventColumn(value.name, type, false, false) + " - " + eventColumn(value.name, type, true, false);
            return whole ? sql : "(" + sql + ")";
        }
        case resolve::ValueKind::eventRow: {
            std::string row = value.old ? "old" : "new";
            if (place_ == Place::capture) return row;
            // The row is read from the logged data. An output of the row's type would forbid ALTER TABLE to rewrite the
            // table.
            const resolve::EntityInfo& entity = *action_.binding.entity;
            return "jsonb_populate_record(NULL::" + quoteName(entity.schema, entity.table) + ", specql.image(" +
                   meta("event_data", "jsonb") + ", '" + row + "'))";
        }
        case resolve::ValueKind::meta: {
            if (value.name.compare(0, 8, "payload:") == 0) {
                std::string key = quoteLiteral(value.name.substr(8));
                return "(" + meta("event_data", "jsonb") + " ->> " + key + ")::" + value.type;
            }
            if (value.name == resolve::operationName) {
                const bool isOne = resolve::operationWords(action_.binding.ops).size() == 1;
                if (!isOne && resolve::isBefore(*action_.info)) return "lower(TG_OP)";
                std::string sql = operationSql(action_.binding);
                if (isOne || place_ == Place::capture) return isOne || whole ? sql : "(" + sql + ")";
                return use({value.name, value.type, std::move(sql), ""});
            }
            if (value.name == "event_type" && place_ == Place::capture) return quoteLiteral(action_.binding.event);
            return meta(value.name, value.type);
        }
        case resolve::ValueKind::context:
            return contextVariable(action_.contexts[value.context]) + "." + quoteName(value.name);
        case resolve::ValueKind::payload: {
            if (place_ == Place::function) return quoteName("p_" + value.name);
            return use({value.name, value.type, "", payloadSql(action_, "r.event_data", value.name, value.type)});
        }
        case resolve::ValueKind::target:
            return targetSql ? targetSql(value) : targetAlias + "." + quoteName(value.name);
        case resolve::ValueKind::handled: return handledAlias + (value.name.empty() ? "" : "." + quoteName(value.name));
        case resolve::ValueKind::local: {
            auto known = localSql.find(value.name);
            return known == localSql.end() ? variableName(value.name) : known->second;
        }
        case resolve::ValueKind::row:
            return variableName(action_.rows[static_cast<size_t>(value.context)].variable) + "." +
                   quoteName(value.name);
        case resolve::ValueKind::match: return ofMatch(value.name, value.type);
        case resolve::ValueKind::answer: return ofAnswer(value.name, value.type);
        case resolve::ValueKind::word: return quoteLiteral(value.name);
        case resolve::ValueKind::caller:
            return (value.type == "boolean" ? "specql.caller_has(" : "specql.caller(") + quoteLiteral(value.name) + ")";
        case resolve::ValueKind::queryColumn: return printQueryColumn(value);
        case resolve::ValueKind::result: return variableName(value.name);  // see StageEmitter
    }
    return {};
}

std::string Printer::owed(const resolve::Context& context) {
    if (context.path == resolve::currentRow) return "";
    const resolve::Context* first = &context;
    while (first->key.kind == resolve::ValueKind::context)
        first = &action_.contexts[static_cast<size_t>(first->key.context)];
    std::string there = print(context.key, true) + " IS NOT NULL";
    if (first->key.kind != resolve::ValueKind::eventColumn) return there;
    const unsigned ops = action_.binding.ops;
    if (first->key.old || ops == resolve::opDelete) return "";
    if (first->key.strict || !(ops & resolve::opDelete)) return there;
    resolve::Value kept = first->key;
    kept.strict = true;
    std::string unlessDeleted = print(kept, true) + " IS NOT NULL";
    return first == &context ? unlessDeleted : unlessDeleted + " AND " + there;
}

}  // namespace specql::emit
