#include "emit/registration.hpp"

#include <algorithm>
#include <map>

#include "emit/caller.hpp"
#include "emit/due.hpp"
#include "emit/function.hpp"
#include "emit/subject.hpp"
#include "resolve/privacy.hpp"
#include "text/quote.hpp"

namespace specql::emit {

namespace {

// '{3,1}', an array of integers.
std::string placeLiteral(const Place& place) {
    std::vector<std::string> parts;
    for (int part : place)
        parts.push_back(std::to_string(part));
    return quoteLiteral("{" + join(parts, ",") + "}");
}

// '{22,P0001}', an array of SQLSTATEs, the same in whatever order they are written.
std::string codesLiteral(const std::vector<Text>& codes) {
    std::vector<std::string> parts;
    for (const Text& code : codes)
        parts.push_back(code.value);
    std::sort(parts.begin(), parts.end());
    return quoteLiteral("{" + join(parts, ",") + "}");
}

std::string verbs(unsigned ops) {
    std::vector<std::string> names;
    if (ops & resolve::opInsert) names.push_back("INSERT");
    if (ops & resolve::opUpdate) names.push_back("UPDATE");
    if (ops & resolve::opDelete) names.push_back("DELETE");
    if (ops & resolve::opTruncate) names.push_back("TRUNCATE");
    return join(names, " OR ");
}

std::string setting(const Text& text, const char* fallback) {
    return text.empty() ? fallback : text.value;
}

// A row that moves to another partition is deleted and inserted there: who listens to any change must see both.
bool isPartitioned(const resolve::EntityInfo& entity) {
    return !entity.partitionColumn.empty() || (entity.present && entity.present->kind == 'p');
}

// In which sessions a trigger fires: `plain` ones, and those that apply what was replicated.
struct Firing {
    bool plain = false;
    bool replica = false;

    // The command that sets it; empty for what a new trigger does. CREATE OR REPLACE TRIGGER takes back what was set.
    std::vector<std::string> commands(const std::string& trigger, const std::string& table) const {
        if (plain && !replica) return {};
        const char* mode = !replica ? "DISABLE" : plain ? "ENABLE ALWAYS" : "ENABLE REPLICA";
        return {"ALTER TABLE " + table + " " + mode + " TRIGGER " + trigger + ";"};
    }
};

Firing firingOf(const resolve::ActionInfo& action) {
    const std::string& fires = action.spec->fires.value;
    return {fires != "replica", fires == "replica" || fires == "always"};
}

// What the actions on a table want to know of it.
struct WatchedTable {
    std::string name;  // quoted
    std::string unit;
    const resolve::EntityInfo* entity;
    bool partitioned;
    unsigned ops = 0;
    bool everyChange = false;  // one action handles all changes of rows: the states of rows can be read back
    std::vector<std::string> onDelete = {};  // actions
    Firing firing = {};                      // of all actions together

    void add(const resolve::ResolvedAction& action) {
        ops |= action.binding.ops;
        everyChange = everyChange || (action.binding.ops & resolve::everyRowChange) == resolve::everyRowChange;
        // An action that is switched off may be switched on.
        const Firing own = firingOf(*action.info);
        firing = {firing.plain || own.plain, firing.replica || own.replica};
        if (action.binding.ops & resolve::opDelete) onDelete.push_back(action.info->name());
    }
    bool watchesTruncate() const { return everyChange || (ops & resolve::opTruncate); }

    Object rowTrigger() const {
        Object object = trigger(
            "specql_capture", "AFTER " + verbs(partitioned ? resolve::everyRowChange : ops & resolve::everyRowChange),
            "FOR EACH ROW", "Keeps the rows that actions of this table want, for the end of the statement", carried());
        object.detail = "serves all actions of the table";
        if (!watchesTruncate()) object.detail += unheard();
        object.detail += told();
        return object;
    }
    Object truncateTrigger() const {
        Object object = trigger("specql_truncate", "BEFORE TRUNCATE", "FOR EACH STATEMENT",
                                "Tells actions of this table, and the history of its rows, that all of them go");
        object.detail = (everyChange ? "tells specql.state_at" : "serves on: truncate") + unheard();
        return object;
    }

private:
    // What deletions set off, and a TRUNCATE does not, though it leaves no row either.
    std::string unheard() const {
        if (onDelete.empty() || (ops & resolve::opTruncate)) return "";
        return "; of a TRUNCATE " + onDelete.front() +
               (onDelete.size() > 1 ? " and other actions on deletion hear" : " hears") +
               " nothing: that is on: truncate";
    }

    bool isOfKey(const std::string& column) const {
        const std::vector<std::string>& key = entity->present->primaryKey;
        return std::find(key.begin(), key.end(), column) != key.end();
    }

    // What events carry of the table, if it is not what the spec declares.
    std::string told() const {
        std::vector<std::string> hidden, undeclared;
        for (const resolve::ColumnInfo& column : entity->columns)
            if (resolve::isPrivate(column)) hidden.push_back(column.name);
        if (entity->spec && entity->present)
            for (const ColumnView& column : entity->present->columns)
                if (!entity->column(column.name) && !isOfKey(column.name)) undeclared.push_back(column.name);
        std::string text = hidden.empty() ? "" : "; private: " + join(hidden, ", ");
        if (resolve::carriesDeclared(*entity)) return text + "; events carry declared fields only";
        if (undeclared.empty() || entity->spec->columns) return text;
        return text + "; events also carry what the spec does not declare (columns: declared leaves it out): " +
               join(undeclared, ", ");
    }

    // What the runtime leaves out of events: see pg/capture/carried.hpp.
    std::string carried() const {
        std::vector<std::string> arguments;
        if (resolve::carriesDeclared(*entity))
            for (const std::string& column : resolve::leavingColumns(*entity))
                arguments.push_back(quoteLiteral("declared " + column));
        for (const resolve::ColumnInfo& column : entity->columns)
            if (resolve::isPrivate(column)) arguments.push_back(quoteLiteral("private " + column.name));
        return wrapList(arguments, 4);
    }

    Object trigger(const std::string& trigger, const std::string& when, const std::string& each,
                   const std::string& comment, const std::string& arguments = "") const {
        Object object;
        object.kind = ObjectKind::trigger;
        object.nameOn(trigger, name);
        object.unit = unit;
        object.replaceable = true;
        object.commands.push_back("CREATE OR REPLACE TRIGGER " + trigger + "\n    " + when + " ON " + name + "\n    " +
                                  each + " EXECUTE FUNCTION specql.capture(" + arguments + ");");
        object.commands.push_back("COMMENT ON TRIGGER " + trigger + " ON " + name + " IS " + quoteLiteral(comment) +
                                  ";");
        for (std::string& command : firing.commands(trigger, name))
            object.commands.push_back(std::move(command));
        return object;
    }
};

bool isEnabled(const resolve::ActionInfo& action) {
    const std::string& value = action.spec->enabled.value;
    return value != "false" && value != "no" && value != "off";
}

std::string scheduleCommand(const resolve::ActionInfo& action) {
    std::string command = "SELECT specql.register_schedule(" + quoteLiteral(action.name()) + ", " +
                          quoteLiteral(action.spec->schedule.value);
    if (action.spec->missed) command += ", missed => " + quoteLiteral(action.spec->missed.value);
    return command + ");";
}

}  // namespace

Object actionTrigger(const resolve::ResolvedAction& action) {
    const resolve::ActionInfo& info = *action.info;
    const resolve::Binding& binding = action.binding;
    std::string table = quoteName(binding.entity->schema, binding.entity->table);
    std::string name = quoteName(action.base + "_trigger");
    // Which action it is of, its name tells. That an action checks what statements do must be known without it.
    const bool aborts = info.spec->onError.value == "abort";
    Object object;
    object.kind = ObjectKind::trigger;
    object.nameOn(name, table);
    object.unit = info.unit->key();
    object.replaceable = true;
    object.commands.push_back("CREATE OR REPLACE TRIGGER " + name + "\n    AFTER " + verbs(binding.ops) + " ON " +
                              table + "\n    FOR EACH STATEMENT EXECUTE FUNCTION specql.dispatch(" +
                              (aborts ? "'abort'" : "") + ");");
    const std::string& description = info.spec->description.value;
    object.commands.push_back(
        "COMMENT ON TRIGGER " + name + " ON " + table + " IS " +
        quoteLiteral(description.empty() ? "Action " + info.name() + ": " + binding.shown() : description) + ";");
    const Firing firing = isEnabled(info) ? firingOf(info) : Firing{};
    for (std::string& command : firing.commands(name, table))
        object.commands.push_back(std::move(command));
    return object;
}

Object beforeTrigger(const resolve::ResolvedAction& action) {
    const resolve::ActionInfo& info = *action.info;
    const resolve::Binding& binding = action.binding;
    const std::string table = quoteName(binding.entity->schema, binding.entity->table);
    const std::string name = quoteName("before_" + action.base);
    std::string when;
    // That a column has changed can be asked here of an update alone; the function asks it otherwise.
    if (binding.ops == resolve::opUpdate) when = anyChangedSql(binding);
    if (!binding.value.empty()) when = "new." + quoteName(binding.valueColumn) + " = " + quoteLiteral(binding.value);
    Object object;
    object.kind = ObjectKind::trigger;
    object.nameOn(name, table);
    object.unit = info.unit->key();
    object.replaceable = true;
    object.commands.push_back("CREATE OR REPLACE TRIGGER " + name + "\n    BEFORE " + verbs(binding.ops) + " ON " +
                              table + "\n    FOR EACH ROW" + (when.empty() ? "" : " WHEN (" + when + ")") +
                              "\n    EXECUTE FUNCTION " + quoteName(info.schema, "before_" + action.base) + "();");
    const std::string& description = info.spec->description.value;
    object.commands.push_back(
        "COMMENT ON TRIGGER " + name + " ON " + table + " IS " +
        quoteLiteral(description.empty() ? "Action " + info.name() + ", before " + binding.shown() : description) +
        ";");
    const Firing firing = isEnabled(info) ? firingOf(info) : Firing{};
    for (std::string& command : firing.commands(name, table))
        object.commands.push_back(std::move(command));
    return object;
}

Object registration(const resolve::World& world, const resolve::Resolver& resolver,
                    const resolve::ResolvedAction& action, const std::string& processed) {
    const resolve::ActionInfo& info = *action.info;
    const resolve::Binding& binding = action.binding;
    bool row = !binding.custom;
    std::vector<std::string> args = {
        quoteLiteral(info.name()), quoteLiteral(action.isAnswer() ? action.answer : binding.event),
        row ? quoteLiteral(quoteName(binding.entity->schema, binding.entity->table)) : "NULL",
        quoteLiteral(quoteName(info.schema, resolve::handlerName(action))),
        row ? quoteLiteral(quoteName(info.schema, action.base + "_capture")) : "NULL",
        // There is no statement any more that could fail, and a call that was made is answered even if the action is
        // off.
        quoteLiteral(action.isAnswer() ? "retry" : setting(info.spec->onError, "retry")),
        setting(info.spec->maxAttempts, "8"), "interval " + quoteLiteral(setting(info.spec->backoff, "1 second")),
        action.isAnswer() || isEnabled(info) ? "true" : "false"};
    std::string part = action.isAnswer()   ? "answer " + action.answer
                       : action.isFeed()   ? "source " + action.source
                       : action.window     ? "match"
                       : binding.isDue()   ? "due"
                       : binding.scheduled ? "schedule"
                                           : "";
    if (!processed.empty())
        args.push_back(quoteLiteral(processed));
    else if (!part.empty())
        args.push_back("NULL");
    if (!part.empty()) args.push_back(quoteLiteral(part));
    args.push_back("place => " + placeLiteral(info.place));
    if (info.spec->turn != 0) args.push_back("run_order => " + std::to_string(info.spec->turn));
    if (usesCaller(world, resolver, action)) args.push_back("uses_caller => true");
    if (resolve::mayTellPrivate(resolver, action)) args.push_back("tells_private => true");
    if (!info.spec->retryOn.empty()) args.push_back("retry_on => " + codesLiteral(info.spec->retryOn));
    if (!info.spec->parkOn.empty()) args.push_back("park_on => " + codesLiteral(info.spec->parkOn));
    Object object;
    object.kind = ObjectKind::registration;
    object.identity = info.name();
    object.unit = info.unit->key();
    object.detail = action.isAnswer() ? "answers, " + action.answer
                    : action.window   ? "matches, raised as " + binding.event
                                      : binding.shown();
    // It may have had other sources before, so its former registrations go first.
    object.forgets = (action.window != nullptr || binding.isDue()) && !action.isAnswer();
    if (object.forgets)
        object.commands.push_back("SELECT specql.unregister_action(" + quoteLiteral(info.name()) + ");");
    object.commands.push_back("SELECT specql.register_action(\n    " + wrapList(args, 4) + ");");
    // What is switched off keeps no times, and takes the rows in that there are when it is switched on.
    if (binding.isDue() && isEnabled(info)) object.commands.push_back(dueCommand(action));
    if (binding.scheduled && !binding.due) object.commands.push_back(scheduleCommand(info));
    return object;
}

void mergeRegistrations(std::vector<Object>& objects) {
    std::map<std::string, size_t> first, own;
    std::vector<Object> merged;
    for (Object& object : objects) {
        auto [found, added] = first.emplace(object.identity, merged.size());
        if (object.kind != ObjectKind::registration || added) {
            if (object.kind == ObjectKind::registration)
                own[object.identity] = object.forgets ? object.commands.size() : 0;
            merged.push_back(std::move(object));
            continue;
        }
        Object& whole = merged[found->second];
        std::move(object.commands.begin(), object.commands.end(), std::back_inserter(whole.commands));
        whole.detail += ", " + object.detail;
        std::sort(whole.commands.begin() + static_cast<long>(own[whole.identity]), whole.commands.end());
    }
    objects = std::move(merged);
}

std::vector<Object> captureTriggers(const resolve::Resolver& resolver) {
    std::vector<WatchedTable> tables;
    for (const resolve::ResolvedAction& action : resolver.actions) {
        if (action.binding.custom || action.window || action.isAnswer() || !action.binding.entity ||
            resolve::isBefore(*action.info))
            continue;
        std::string table = quoteName(action.binding.entity->schema, action.binding.entity->table);
        auto found = std::find_if(tables.begin(), tables.end(), [&](const auto& known) { return known.name == table; });
        if (found == tables.end())
            found = tables.insert(
                found, {table, action.info->unit->key(), action.binding.entity, isPartitioned(*action.binding.entity)});
        found->add(action);
    }
    std::vector<Object> objects;
    for (const WatchedTable& table : tables) {
        if (table.ops & resolve::everyRowChange) objects.push_back(table.rowTrigger());
        if (table.watchesTruncate()) objects.push_back(table.truncateTrigger());
    }
    return objects;
}

}  // namespace specql::emit
