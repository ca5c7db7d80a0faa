#include "plan/plan.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "emit/quote.hpp"

namespace specql {

namespace {

std::string dropSql(const std::string& kind, const std::string& identity) {
    if (kind == "function") return "DROP FUNCTION IF EXISTS " + identity + ";";
    if (kind == "table") return "DROP TABLE IF EXISTS " + identity + ";";
    if (kind == "index") return "DROP INDEX IF EXISTS " + identity + ";";
    size_t on = identity.find(" on ");
    if (kind == "trigger" && on != std::string::npos)
        return "DROP TRIGGER IF EXISTS " + identity.substr(0, on) + " ON " + identity.substr(on + 4) + ";";
    if (kind == "constraint" && on != std::string::npos)
        return "ALTER TABLE " + identity.substr(on + 4) + " DROP CONSTRAINT IF EXISTS " + identity.substr(0, on) + ";";
    if (kind == "registration") return "SELECT specql.unregister_action(" + quoteLiteral(identity) + ");";
    if (kind == "window") return "SELECT specql.unregister_window(" + quoteLiteral(identity) + ");";
    if (kind == "service") return "SELECT specql.unregister_service(" + quoteLiteral(identity) + ");";
    return {};
}

class Planner {
public:
    Planner(World& world, const Resolver& resolver, const std::vector<Object>& objects)
        : world_(world), resolver_(resolver), catalog_(world.catalog()), objects_(objects) {
        for (const InstalledObject& object : catalog_.objects)
            installed_[object.kind + " " + object.identity] = &object;
        for (const Unit& unit : world.units)
            if (unit.fresh()) fresh_.insert(unit.key());
    }

    std::vector<PlanStep> run() {
        std::set<std::string> wanted;
        for (const Object& object : objects_)
            wanted.insert(object.kind + " " + object.identity);
        // What no spec wants any more goes first; tables and schemas hold data and stay.
        for (auto object = catalog_.objects.rbegin(); object != catalog_.objects.rend(); ++object) {
            if (wanted.count(object->kind + " " + object->identity)) continue;
            PlanStep step;
            step.action = "drop";
            step.kind = object->kind;
            step.object = object->identity;
            step.desired.kind = object->kind;
            step.desired.identity = object->identity;
            step.desired.unit = object->unit;
            std::string sql = dropSql(object->kind, object->identity);
            bool removed = object->unit == catalog_.removed;
            bool table = object->kind == "table";
            if (object->kind == "schema" || (table && !removed)) continue;
            if (table && !catalog_.dropTables) {
                if (object->present) add(step.desired, "unchanged", {}, "stays, with its data");
                continue;
            }
            step.destructive = table;
            if (!sql.empty() && object->present) step.sql.push_back(std::move(sql));
            steps_.push_back(std::move(step));
        }
        for (const Object& object : objects_)
            plan(object);
        return std::move(steps_);
    }

private:
    void add(const Object& object, const char* action, std::vector<std::string> sql, std::string detail = {},
             bool destructive = false) {
        PlanStep step;
        step.action = action;
        step.kind = object.kind;
        step.object = object.identity;
        step.detail = detail.empty() ? object.detail : std::move(detail);
        step.destructive = destructive;
        step.sql = std::move(sql);
        step.desired = object;
        steps_.push_back(std::move(step));
    }

    void plan(const Object& object) {
        auto found = installed_.find(object.kind + " " + object.identity);
        const InstalledObject* before = found == installed_.end() ? nullptr : found->second;
        if (object.kind == "table" && planTable(object, before)) return;
        // What was dropped by hand comes back when its own spec is applied, not with any other.
        if (before && !before->present && before->sql == object.sql() && !fresh_.count(object.unit)) return;
        if (!before || !before->present) {
            if (std::none_of(catalog_.functions.begin(), catalog_.functions.end(),
                             [&](const FunctionView& function) { return leftBehind(object, function); }))
                return add(object, "create", object.commands);
            return replace(object, "left by an earlier apply whose record is gone");
        }
        if (before->sql != object.sql()) return replace(object);
        if (before->altered) return replace(object, "was altered by hand");
        unchanged(object);
    }

    void replace(const Object& object, std::string detail = {}) {
        std::vector<std::string> sql = object.commands;
        if (!object.replaceable) sql.insert(sql.begin(), dropSql(object.kind, object.identity));
        add(object, "replace", std::move(sql), std::move(detail));
    }

    // Units that the text did not name are told of only where they change.
    void unchanged(const Object& object) {
        if (fresh_.count(object.unit)) add(object, "unchanged", {});
    }

    const EntityInfo* entityOf(const Object& object) const {
        for (const EntityInfo& entity : world_.entities)
            if (entity.unit && quoteName(entity.schema, entity.table) == object.identity) return &entity;
        return nullptr;
    }

    // True if the step was planned (or refused) here.
    bool planTable(const Object& object, const InstalledObject* before) {
        const EntityInfo* entity = entityOf(object);
        if (!entity || !entity->present) return false;
        if (before && before->sql == object.sql()) return restoreColumns(object, *entity), true;
        if (before && entity->impliedByStep && holdsSame(*entity, before->sql)) return unchanged(object), true;
        if (object.adopted) return adopt(object, *entity), true;
        return alter(object, *entity, before->sql), true;
    }

    // Columns that were dropped by hand come back with their spec; what else was done to a table stays.
    void restoreColumns(const Object& object, const EntityInfo& entity) {
        std::vector<std::string> problems, missing;
        if (fresh_.count(object.unit)) missing = missingColumns(entity, problems);
        if (missing.empty() || !problems.empty()) return unchanged(object);
        add(object, "alter", std::move(missing), "was altered by hand");
    }

    // A table that several steps write has the columns of all of them, in the order in which the steps were met: that
    // is another one when another text is applied.
    bool holdsSame(const EntityInfo& entity, const std::string& before) const {
        std::vector<std::string> problems;
        if (!missingColumns(entity, problems).empty() || !problems.empty()) return false;
        const auto& columns = entity.present->columns;
        return std::all_of(columns.begin(), columns.end(), [&](const ColumnView& column) {
            return entity.column(column.name) || !madeBy(before, column.name);
        });
    }

    // True if the CREATE TABLE that was run made this column.
    static bool madeBy(const std::string& before, const std::string& column) {
        return before.find("\n    " + quoteName(column) + " ") != std::string::npos;
    }

    std::vector<std::string> missingColumns(const EntityInfo& entity, std::vector<std::string>& problems) const {
        std::vector<std::string> sql;
        for (const ColumnInfo& column : entity.columns) {
            const auto& columns = entity.present->columns;
            auto found = std::find_if(columns.begin(), columns.end(),
                                      [&](const ColumnView& view) { return view.name == column.name; });
            if (found == columns.end())
                sql.push_back("ALTER TABLE " + quoteName(entity.schema, entity.table) + "\n    ADD COLUMN " +
                              columnSql(world_, resolver_, entity, column) + ";");
            else if (!compatible(column.type, found->type))
                problems.push_back(column.name + " is " + found->type + ", the spec says " + column.type);
            else if (catalog_.adopt && !column.defaultSql.empty() && !found->hasDefault)
                sql.push_back("ALTER TABLE " + quoteName(entity.schema, entity.table) + "\n    ALTER COLUMN " +
                              quoteName(column.name) + " SET DEFAULT " + column.defaultSql + ";");
        }
        return sql;
    }

    Pos posOf(const EntityInfo& entity) const { return entity.spec ? entity.spec->name.pos : entity.pos; }

    void adopt(const Object& object, const EntityInfo& entity) {
        const TableView& table = *entity.present;
        std::vector<std::string> problems;
        std::vector<std::string> missing = missingColumns(entity, problems);
        if (table.kind != 'r' && table.kind != 'p')
            problems.insert(problems.begin(), "it is not an ordinary or partitioned table");
        if (!catalog_.adopt)
            for (const ColumnInfo& column : entity.columns)
                if (std::none_of(table.columns.begin(), table.columns.end(),
                                 [&](const ColumnView& view) { return view.name == column.name; }))
                    problems.push_back(column.name + " is missing (" + column.type + ")");
        if (!table.callerOwns) problems.push_back("it belongs to " + table.owner);
        if (!problems.empty()) {
            world_.error(*entity.file, "SPQL-P003", posOf(entity),
                         "the table " + entity.shown() + " exists and does not fit: " + join(problems, "; "),
                         catalog_.adopt
                             ? "change the spec or the table"
                             : "change the spec or the table, or let apply add missing columns: adopt => true");
            return;
        }
        add(object, missing.empty() ? "adopt" : "alter", missing, "an existing table, taken as it is");
    }

    // `before` is the CREATE TABLE that was run: only its columns are ours to drop, not those added by hand.
    void alter(const Object& object, const EntityInfo& entity, const std::string& before) {
        const TableView& table = *entity.present;
        std::vector<std::string> problems;
        std::vector<std::string> sql = missingColumns(entity, problems);
        bool destructive = false;
        for (const ColumnView& column : table.columns) {
            if (entity.column(column.name) || !madeBy(before, column.name)) continue;
            destructive = true;
            sql.push_back("ALTER TABLE " + object.identity + "\n    DROP COLUMN " + quoteName(column.name) + ";");
            if (!catalog_.allowDestructive)
                problems.push_back("the field " + column.name + " would be dropped with its data");
        }
        // The first command makes the table; the others are its comments.
        bool described = before.compare(0, object.commands.front().size(), object.commands.front()) == 0;
        for (size_t i = 1; i < object.commands.size() && (described || !sql.empty()); i++)
            if (before.find(object.commands[i]) == std::string::npos) sql.push_back(object.commands[i]);
        if (problems.empty() && sql.empty())
            problems.push_back("types, checks or defaults of fields differ from what was applied");
        if (!problems.empty()) {
            world_.error(*entity.file, "SPQL-P004", posOf(entity),
                         "the entity " + entity.schema + "." + entity.name +
                             " was applied before and changed: " + join(problems, "; "),
                         destructive && !catalog_.allowDestructive
                             ? "keep the field, or allow it: allow_destructive => true"
                             : "adding fields is possible; change the others with ALTER TABLE");
            return;
        }
        add(object, "alter", std::move(sql), "", destructive);
    }

    World& world_;
    const Resolver& resolver_;
    const CatalogView& catalog_;
    const std::vector<Object>& objects_;
    std::map<std::string, const InstalledObject*> installed_;
    std::set<std::string> fresh_;  // units of the text being applied
    std::vector<PlanStep> steps_;
};

}  // namespace

std::vector<PlanStep> makePlan(World& world, const Resolver& resolver, const std::vector<Object>& objects) {
    return Planner(world, resolver, objects).run();
}

}  // namespace specql
