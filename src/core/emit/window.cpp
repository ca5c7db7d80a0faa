#include "emit/window.hpp"

#include <algorithm>
#include <set>

#include "emit/printer.hpp"
#include "emit/subject.hpp"
#include "resolve/event_time.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::emit {

namespace {

// On one line: the text is kept as people see it.
std::string jsonText(const std::string& text) {
    std::string line = text;
    std::replace_if(
        line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
    return quoteJson(line);
}

std::string termJson(const resolve::WindowTerm& term) {
    std::string json = "{\"counts\": " + jsonText(term.written.value) + ", \"source\": " + jsonText(term.source) +
                       ", \"aggregate\": " + jsonText(term.aggregate);
    if (term.distinct) json += ", \"distinct\": true";
    if (term.field) json += ", \"field\": " + jsonText(term.field.value);
    return json + ", \"comparison\": " + jsonText(term.comparison == "!=" ? "<>" : term.comparison) +
           ", \"number\": " + jsonText(term.number) + ", \"within\": " + jsonText(term.interval.value) + "}";
}

std::vector<std::string> keyNames(const resolve::ResolvedAction& action) {
    return spec::matchKeyNames(*action.info->spec);
}

std::string termsJson(const resolve::Window& window) {
    std::vector<std::string> terms;
    for (const resolve::WindowTerm& term : window.terms)
        terms.push_back(termJson(term));
    return "[" + join(terms, ",\n      ") + "]";
}

// The column that comes nearest to the time at which a row was captured: by its name, else the only time there is.
std::string captureColumn(const resolve::EntityInfo& entity) {
    std::vector<std::string> times;
    for (const ColumnView& column : entity.present->columns)
        if (resolve::startsWith(column.type, "timestamp")) times.push_back(column.name);
    for (const char* name : {"created_at", "inserted_at", "recorded_at", "event_time", "event_timestamp",
                             "triggered_at", "happened_at", "measured_at"})
        if (std::find(times.begin(), times.end(), name) != times.end()) return name;
    return times.size() == 1 ? times.front() : "";
}

class HistoryWriter {
public:
    HistoryWriter(const resolve::World& world, const resolve::Resolver& resolver, const resolve::ResolvedAction& feed)
        : world_(world),
          feed_(feed),
          printer_(world, resolver, feed, feed.binding.custom ? Printer::Place::handler : Printer::Place::capture) {}

    // One query for each term that the source counts for; none if there is no table yet.
    void write(std::vector<std::string>& queries) {
        const resolve::Binding& binding = feed_.binding;
        if (!binding.custom && !binding.entity->present) return;
        bool table = !binding.custom && binding.ops == resolve::opInsert;
        for (const resolve::ResolvedBranch& branch : feed_.branches) {
            std::vector<std::string> where;
            if (std::string raised = binding.custom ? "" : eventSql(binding); !raised.empty()) where.push_back(raised);
            if (branch.condition) where.push_back("(" + printer_.print(branch.condition) + ")");
            queries.push_back("SELECT " + std::to_string(branch.feed->term + 1) + " AS term, " + key(*branch.feed) +
                              " AS key, " + (table ? tableTime() : changeTime()) + " AS at, " +
                              (table ? tableId() : "e.event_id::text") + " AS id, " + value(*branch.feed) +
                              " AS value\nFROM " +
                              (binding.custom ? events()
                               : table        ? tableRows()
                                              : changes(branch)) +
                              (where.empty() ? "" : "\nWHERE " + join(where, " AND ")));
        }
    }

private:
    std::string tableName() const { return quoteName(feed_.binding.entity->schema, feed_.binding.entity->table); }
    std::string tableRows() const { return tableName() + " AS new"; }
    std::string tableId() const {
        const std::string& key = feed_.binding.entity->key;
        return key.empty() ? "new.ctid::text" : "new." + quoteName(key) + "::text";
    }
    // The time column of the row, if it has one. Else the time of capture, which a key of UUID version 7 contains.
    std::string tableTime() const {
        const resolve::EntityInfo& entity = *feed_.binding.entity;
        std::vector<std::string> times;
        if (resolve::EventTime said = resolve::eventTime(world_, feed_.binding))
            times.push_back("new." + quoteName(said.column) + "::timestamptz");
        const resolve::ColumnInfo* key = entity.column(entity.key);
        if (key && key->type == "uuid") times.push_back("specql.uuid_time(new." + quoteName(entity.key) + ")");
        std::string column = captureColumn(entity);
        if (!column.empty()) times.push_back("new." + quoteName(column) + "::timestamptz");
        return times.empty() ? "NULL::timestamptz" : "coalesce(" + join(times, ", ") + ")";
    }
    std::string changeTime() {
        resolve::EventTime said = resolve::eventTime(world_, feed_.binding);
        if (!said) return "e.event_time";
        resolve::Value value;
        value.kind = resolve::ValueKind::eventColumn;
        value.name = said.column;
        value.type = said.type;
        return "coalesce(" + printer_.print(value, true) + "::timestamptz, e.event_time)";
    }

    // An event that several actions handled stands in the log once for each.
    std::string events() const {
        return "(SELECT DISTINCT ON (v.id) v.id AS event_id, v.type AS event_type, v.occurred_at AS event_time,\n"
               "             v.data AS event_data\n      FROM specql.events AS v\n      WHERE v.entity IS NULL AND "
               "v.type = " +
               quoteLiteral(feed_.binding.event) + ") AS e";
    }
    // The columns of the row that the source reads, as an array; NULL for all of them.
    std::string columnsRead(const resolve::ResolvedBranch& branch) const {
        const resolve::Binding& binding = feed_.binding;
        std::set<std::string> columns = {binding.changedColumn, binding.valueColumn, binding.entity->key,
                                         resolve::eventTime(world_, binding).column};
        bool whole = false;
        auto add = [&](const resolve::BoundExpression& bound) {
            for (const resolve::Value& value : bound.values) {
                columns.insert(value.name);
                whole = whole || value.kind == resolve::ValueKind::eventRow;
            }
        };
        for (const resolve::BoundExpression& bound : branch.feed->keys)
            add(bound);
        if (branch.feed->field) add(branch.feed->field);
        if (branch.condition) add(branch.condition);
        if (whole) return "NULL";
        std::vector<std::string> literals;
        for (const std::string& column : columns)
            if (!column.empty()) literals.push_back(quoteLiteral(column));
        return "ARRAY[" + join(literals, ", ") + "]::text[]";
    }
    std::string changes(const resolve::ResolvedBranch& branch) const {
        const resolve::Binding& binding = feed_.binding;
        std::vector<std::string> kinds;
        std::string noOld = "coalesce(v.data -> 'old', 'null') = 'null'",
                    noNew = "coalesce(v.data -> 'new', 'null') = 'null'";
        if (binding.ops & resolve::opInsert) kinds.push_back(noOld);
        if (binding.ops & resolve::opUpdate) kinds.push_back("NOT (" + noOld + " OR " + noNew + ")");
        if (binding.ops & resolve::opDelete) kinds.push_back(noNew);
        auto record = [&](const char* name) {
            return "jsonb_populate_record(NULL::" + tableName() + ", specql.image(e.event_data, '" + name + "', " +
                   columnsRead(branch) + ")) AS " + name;
        };
        return "(SELECT DISTINCT ON (v.xid, v.subject, v.data) v.id AS event_id, v.occurred_at AS event_time,\n"
               "             specql.event_with_present_names(" +
               quoteLiteral(tableName()) +
               ", v.data) AS event_data\n      FROM specql.events AS v\n      WHERE v.entity = " +
               quoteLiteral(binding.entity->shown()) + " AND (" + join(kinds, " OR ") + ")) AS e,\n     " +
               record("old") + ", " + record("new");
    }

    std::string key(const resolve::FeedTerm& feed) {
        std::vector<std::string> keys;
        for (const resolve::BoundExpression& bound : feed.keys)
            keys.push_back(printer_.print(bound, true) + "::text");
        for (const std::string& name : feed.keyNames)
            keys.push_back("(e.event_data ->> " + quoteLiteral(name) + ")");
        if (keys.empty()) return "''";
        if (keys.size() == 1) return keys.front();
        return "CASE WHEN num_nulls(" + join(keys, ", ") + ") = 0 THEN jsonb_build_array(" + join(keys, ", ") +
               ")::text END";
    }
    std::string value(const resolve::FeedTerm& feed) {
        if (!feed.fieldName.empty()) return "(e.event_data ->> " + quoteLiteral(feed.fieldName) + ")";
        if (!feed.field) return "NULL::text";
        return printer_.print(feed.field, true) + (feed.field.target == "numeric" ? "::numeric::text" : "::text");
    }

    const resolve::World& world_;
    const resolve::ResolvedAction& feed_;
    Printer printer_;
};

}  // namespace

std::vector<WindowHistory> windowHistories(const resolve::World& world, const resolve::Resolver& resolver) {
    std::vector<WindowHistory> histories;
    for (const resolve::ResolvedAction& action : resolver.actions) {
        if (!action.window || action.isAnswer() || !action.info->file->fresh) continue;
        const spec::Action& spec = *action.info->spec;
        WindowHistory history;
        history.action = action.info->name();
        history.joined = action.window->joined;
        history.terms = termsJson(*action.window);
        history.afterMatch = spec.afterMatch.empty() ? "consume" : spec.afterMatch.value;
        history.cooldown = spec.cooldown.value;
        history.onTimeout = !spec.onTimeout.empty();
        for (const resolve::ResolvedAction& feed : resolver.actions)
            if (feed.isFeed() && feed.info == action.info) HistoryWriter(world, resolver, feed).write(history.sources);
        histories.push_back(std::move(history));
    }
    return histories;
}

Object windowObject(const resolve::ResolvedAction& action) {
    const resolve::Window& window = *action.window;
    const spec::Action& spec = *action.info->spec;
    std::vector<std::string> keys;
    for (const std::string& name : keyNames(action))
        keys.push_back(quoteLiteral(name));
    auto interval = [](const Text& text) { return text.empty() ? "NULL" : "interval " + quoteLiteral(text.value); };
    std::vector<std::string> args = {quoteLiteral(action.info->name()), quoteLiteral(action.binding.event),
                                     quoteLiteral(spec.condition.value), quoteLiteral(window.joined)};
    Object object;
    object.kind = ObjectKind::window;
    object.identity = action.info->name();
    object.unit = action.info->unit->key();
    object.replaceable = true;
    object.detail = spec.condition.value + (window.correlation ? " within " + spec.correlationWindow.value : "") +
                    (keys.empty()         ? ""
                     : window.correlation ? " by " + join(keyNames(action), ", ")
                                          : "");
    object.commands.push_back("SELECT specql.register_window(\n    " + join(args, ", ") + ",\n    " +
                              quoteLiteral(termsJson(window)) + ",\n    " +
                              (keys.empty() ? "'{}'" : "ARRAY[" + join(keys, ", ") + "]") + ", " +
                              quoteLiteral(spec.afterMatch.empty() ? "consume" : spec.afterMatch.value) + ", " +
                              interval(spec.cooldown) + ", " + (spec.onTimeout.empty() ? "false" : "true") + ");");
    return object;
}

}  // namespace specql::emit
